package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/store"
)

// Rotate gives the visitor a new id, made by Generate, moves the session with its
// messages to it, and revokes the old id in the same step. Call it whenever somebody
// gains or loses a privilege, so that an id that was planted or seen before is worthless
// afterwards. Call it before the response is written. The new id goes only into this
// response: as the cookie, or, if the id was presented in the query, as Signed of
// FromContext. Anybody else who holds the old id may have read the session's messages
// before, and gets nothing from then on.
//
// Links of the old id end with mirage-drain, and their clients reconnect two seconds
// later with the new cookie. For ten seconds the response may still be on its way. During
// this time, links with the old id get 503 with Retry-After, and routes of the
// application get an identity that is valid only for the one request, without a cookie.
// After that the old id is revoked for good (410).
//
// If the old id was revoked or moved after the request arrived, the visitor gets the new
// id without a session. The same happens, and the old id stays unchanged, if an identity
// provider answers with a form that a foreign page posts. Such a request has no identity
// (the browser sends no cookie), but as a navigation it may get a new one. To keep the
// session, answer that POST with a redirect (303) to a page of your own, and call Rotate
// there.
//
// At a log-out call Logout instead: the queued messages are not for the next user.
//
// An error with id "" means that nothing changed. With an id the error is
// store.ErrUncertain: the new id was handed out because the move may have taken place.
// Without Options.Sessions nothing moves and the old id stays valid.
func Rotate(w http.ResponseWriter, r *http.Request) (id string, err error) {
	v := visitOf(r.Context())
	if v == nil || v.m == nil {
		return "", fmt.Errorf("middleware: rotate: %w", errNowhere)
	}
	old, known := FromContext(r.Context())
	if !known && !isCallback(v, r) {
		return "", fmt.Errorf("middleware: rotate: %w", errNobody)
	}

	m := v.m
	ctx, cancel := context.WithTimeout(r.Context(), m.o.Timeout)
	defer cancel()
	id, refusal := m.generate(ctx, r)
	switch {
	case refusal != nil:
		return "", fmt.Errorf("middleware: rotate: %w", refusal)
	case id == old.ID:
		return "", errors.New("middleware: rotate: Generate returned the old id; it must make a new one")
	}

	came := v.came
	if !known {
		came = m.now()
	}
	signed, err := m.o.Codec.SignAt(cookie.ID, id, came) // before anything is moved: it may fail
	if err != nil {
		return "", fmt.Errorf("middleware: rotate: %w", err)
	}

	var uncertain error
	if m.o.Sessions != nil && known && !v.passing() {
		err := m.o.Sessions.Rotate(ctx, old.ID, id, old.Asked)
		switch {
		case err == nil, isOvertaken(err):
		case errors.Is(err, store.ErrUncertain):
			uncertain = fmt.Errorf("middleware: rotate: %w", err)
		default:
			return "", fmt.Errorf("middleware: rotate: %w", err)
		}
	}

	v.came, v.decided = came, came
	next := Identity{ID: id, Client: v.client, Asked: store.Asked{Signed: came, Came: came}, codec: m.o.Codec, visit: v}
	if v.state != barred {
		next.Previous = old.ID
	}
	m.put(w.Header(), v, &next, signed)
	v.rotated.Store(&next)
	return id, uncertain
}

var errNowhere = &Error{
	Status: http.StatusInternalServerError,
	Reason: "no Mirage middleware is mounted on this route: put Identify around it",
}

var errNobody = errors.New("the request has no identity: it is HEAD or OPTIONS, from a foreign page, or of a link")

// isCallback reports whether a foreign page sent a person to a page of ours with a form,
// as identity providers do. It is false for a frame, a fetch or an image.
func isCallback(v *visit, r *http.Request) bool {
	return v.refusal == errForeign && r.Method == http.MethodPost &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
