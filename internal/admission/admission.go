// Package admission decides who may have a link or send, before anything of the answer is
// written, and reads what the request says of itself.
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
// identity. A route whose middleware has not the same sessions refuses every request: ids
// would count there that are revoked here.
func Require(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	id, err := middleware.Require(w, r) // first: it takes the cookie back, whatever follows
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

// Admit returns the identity of a GET for a link, or answers why it gets none. A GET with
// a body is refused: net/http would wait for it before the first byte of the answer, and
// not notice that the client leaves.
func Admit(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Require(w, r, m); ok && r.ContentLength != 0 {
		refuse.Write(w, r, http.StatusBadRequest, "a GET has no body here", 0)
		return id, false
	}
	return id, ok
}

// AdmitNew is Admit for a transport whose every GET begins a link. A link token, which
// the middleware honours beside _wait, lets a poll go on and begins nothing: else it
// would renew itself for ever, past all hooks and past Revoke.
func AdmitNew(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Admit(w, r, m); ok && id.Link != 0 {
		refuse.Write(w, r, http.StatusUnauthorized, "a link token begins no link: open a new link without it", 0)
		return id, false
	}
	return id, ok
}
