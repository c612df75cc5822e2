package middleware

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/store"
)

// admit decides about an id that came and returns what it is called from now on. What becomes of
// it while the hook runs counts: it may be revoked then, or moved by a parallel request.
func (m *middleware) admit(ctx context.Context, r *http.Request, q query, p presented, v *visit) (string, *Error) {
	client := ""
	if m.Sessions != nil {
		client = aliasName(r, q)
	}
	now, err := m.resolve(ctx, p, client, v)
	if err != nil || m.Validate == nil {
		return now, err
	}
	answer, err := m.run(ctx, r, validating, func(r *http.Request) (string, error) { return m.Validate(r, now) })
	if err != nil {
		return "", err
	}
	if now, err = m.resolve(ctx, p, client, v); err != nil || answer == "" || answer == now {
		return now, err
	}
	if !isID(answer) {
		return "", m.failed(validating, errBadID)
	}
	if err := m.replace(ctx, p, now, answer, client, v); err != nil {
		return "", err
	}
	m.Count("replaced")
	return answer, nil
}

// replace moves the session of the id to what Validate answered.
func (m *middleware) replace(ctx context.Context, p presented, from, to, client string, v *visit) *Error {
	if m.Sessions == nil {
		return nil
	}
	asked := store.Asked{Signed: p.issued, Came: v.came}
	if from != p.id { // decided in this request
		asked.Signed = v.came
	}
	switch err := m.Sessions.Replace(ctx, from, to, asked, client); {
	case err == nil:
		return nil
	case isOvertaken(err):
		return settling()
	default:
		return m.failed("move", err)
	}
}

// isOvertaken reports whether the session layer refuses what was asked because of what became of
// the id since the request came.
func isOvertaken(err error) bool {
	return errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}

// resolve asks how the id stands that came.
func (m *middleware) resolve(ctx context.Context, p presented, client string, v *visit) (string, *Error) {
	if m.Sessions == nil {
		return p.id, nil
	}
	is, err := m.Sessions.Resolve(ctx, p.id, store.Asked{Signed: p.issued, Came: v.came}, client)
	if err != nil {
		return "", m.failed("resolve", err)
	}
	v.quiet, v.barred = is.Quiet, m.standing(is.State)
	return is.ID, v.barred
}

// standing is the refusal of a value in that state; nil for one that counts.
func (m *middleware) standing(s store.State) *Error {
	switch s {
	case store.StateSettling:
		m.Count("settling")
		return settling()
	case store.StateRevoked:
		m.Count("revoked")
		return errRevoked
	}
	return nil
}

// ended refuses a link without a value whose client was told the id was before, and that id is
// revoked: its cookie is gone because of a log-out, and its page is not to go on as a stranger.
func (m *middleware) ended(ctx context.Context, was string, v *visit) *Error {
	is, err := m.Sessions.Resolve(ctx, was, store.Asked{Signed: time.Unix(1, 0), Named: true, Came: v.came}, "")
	if err != nil {
		return m.failed("resolve", err)
	}
	return m.standing(is.State)
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
