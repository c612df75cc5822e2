// Package admission decides whether a request may begin a link or send messages, before
// any part of the response is written. It also reads the query parameters and headers of
// such a request.
package admission

import (
	"net/http"

	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// Require is middleware.Require for a transport of m. It answers a request that has no
// identity; ok is then false. If the middleware of the route does not have the same
// sessions, it refuses every request, because the middleware would accept ids that are
// revoked in m.
func Require(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	id, err := middleware.Require(w, r) // first, because it removes the cookie in any case
	if mistake := wiring.Check(r.Context(), m); mistake != nil {
		refuse.Mistake(w, r, mistake.Error())
		return id, false
	}
	if err != nil {
		answer.Refuse(w, r, err)
		return id, false
	}
	return id, true
}

// Admit returns the identity of a GET for a link, or answers the request with a refusal.
// A GET with a body is refused: net/http would wait for the body before the first byte of
// the response, and would not notice that the client leaves.
func Admit(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Require(w, r, m); ok && r.ContentLength != 0 {
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusBadRequest, Code: "malformed", Reason: "a GET has no body here",
		})
		return id, false
	}
	return id, ok
}

// AdmitNew is Admit for a transport on which every GET begins a link. It refuses a link
// token, which the middleware accepts together with _wait. A token continues a poll and
// never begins a link. Otherwise a client could renew it for ever, past all hooks and
// past Revoke.
func AdmitNew(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Admit(w, r, m); ok && id.Link != 0 {
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusUnauthorized, Code: "token",
			Reason: "a link token begins no link: open a new link without it",
		})
		return id, false
	}
	return id, ok
}
