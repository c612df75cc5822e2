package middleware

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
)

// generate makes a new id.
func (m *Middleware) generate(ctx context.Context, r *http.Request) (string, *Error) {
	if m.o.Generate == nil {
		b := make([]byte, m.o.IDBytes)
		rand.Read(b)
		m.o.Count("generated")
		return hex.EncodeToString(b), nil
	}

	id, err := m.run(ctx, r, generating, m.o.Generate)
	if err == nil && !isID(id) {
		err = m.failed(generating, errBadID)
	}
	if err != nil {
		return "", err
	}

	m.o.Count("generated")
	return id, nil
}

var errBadID = errors.New("the hook's id does not have 1 to 128 characters of [A-Za-z0-9._-]")
