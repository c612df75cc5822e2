package middleware

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
)

// admit decides about an id that came and returns what it is called from now on.
func (m *middleware) admit(ctx context.Context, r *http.Request, q query, p presented) (string, *Error) {
	client := ""
	if m.Sessions != nil {
		client = clientName(r, q)
	}
	now, err := m.resolve(ctx, p, client)
	if err != nil || m.Validate == nil {
		return now, err
	}
	answer, err := m.run(ctx, r, validating, func(r *http.Request) (string, error) { return m.Validate(r, now) })
	if err != nil {
		return "", err
	}
	// Meanwhile the id may have been revoked, or moved by a parallel request of the same client.
	if now, err = m.resolve(ctx, p, client); err != nil || answer == "" || answer == now {
		return now, err
	}
	if !isID(answer) {
		return "", m.failed(validating, errBadID)
	}
	if m.Sessions != nil {
		if err := m.Sessions.Move(ctx, now, answer, client); err != nil {
			return "", m.failed("move", err)
		}
	}
	m.Count("replaced")
	return answer, nil
}

func (m *middleware) resolve(ctx context.Context, p presented, client string) (string, *Error) {
	if m.Sessions == nil {
		return p.id, nil
	}
	now, revoked, err := m.Sessions.Resolve(ctx, p.id, p.issued, client)
	switch {
	case err != nil:
		return "", m.failed("resolve", err)
	case revoked:
		m.Count("revoked")
		return "", errRevoked
	}
	return now, nil
}

// generate makes a new id.
func (m *middleware) generate(ctx context.Context, r *http.Request) (string, *Error) {
	if m.Generate == nil {
		b := make([]byte, m.IDBytes)
		rand.Read(b)
		m.Count("generated")
		return hex.EncodeToString(b), nil
	}
	id, err := m.run(ctx, r, generating, m.Generate)
	if err == nil && !isID(id) {
		err = m.failed(generating, errBadID)
	}
	if err != nil {
		return "", err
	}
	m.Count("generated")
	return id, nil
}

var errBadID = errors.New("the hook's id is not 1 to 128 of [A-Za-z0-9._-]")
