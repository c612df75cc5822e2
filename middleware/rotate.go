package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/store"
)

// Rotate gives the visitor a new id, made by Generate, with the session and its
// messages, and revokes the old one in the same step: to be called whenever somebody
// gains or loses a privilege, so that an id planted or seen before is worth nothing
// after. It must be called before the response is written. The new id goes into this
// response alone: as the cookie, or, if the id came in the query, as FromContext's
// Signed. What the session held goes along; whoever else holds the old id may have read
// it, and gets nothing from then on.
//
// Links of the old id end with mirage-drain and come back two seconds later with the new
// cookie. For ten seconds, requests with the old id are told to come back soon, because
// the response may still be on its way: links by 503 and Retry-After; routes of the
// application get an identity for this request alone, without a cookie. After that the
// old id is revoked for good (410).
//
// If the old id was revoked or moved since the request came, the new one goes out without
// a session. So it does, with the old id left as it is, where an identity provider
// answers with a form that a foreign page posts: such a request has no identity (its
// browser sends no cookie), but a navigation to a page may begin a new one. To take the
// session along, answer that POST with a redirect (303) to a page of your own, and call
// Rotate there.
//
// At a log-out the messages that wait are not for whoever comes next: call Logout.
//
// An error with id "" means that nothing changed. With an id the error is
// store.ErrUncertain: the new id was handed out because the move may have taken place.
// Without Sessions nothing moves and the old id stays good.
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
	Reason: "no Mirage middleware stands before this route: put Identify around it",
}

var errNobody = errors.New("the request has no identity: it is HEAD or OPTIONS, of a foreign page, or of a link")

// isCallback reports whether a foreign page has sent a person to a page of ours by a
// form, as identity providers do. It cannot be a frame, a fetch or an image.
func isCallback(v *visit, r *http.Request) bool {
	return v.refusal == errForeign && r.Method == http.MethodPost &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
