package middleware

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/store"
)

// An Error is a refusal with a status of its own. A hook returns one (or wraps it) to
// decide what the client gets; Require returns one.
type Error struct {
	// Status is 400 to 599; 403 and 410 make a client stop, 429 and 5xx make
	// it come back.
	Status int
	// Reason is text for the client. Empty means the status's own.
	Reason string
	// RetryAfter is when to come back. Zero means, where the client is to come back, one
	// to five seconds at random.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return fmt.Sprintf("middleware: %d %s", e.Status, e.Reason) }

// The refusals that are always the same. They are shared: nobody may change them.
var (
	errForeign = &Error{
		Status: http.StatusForbidden,
		Reason: "a page of another origin has no identity here; add it to Origins if it should",
	}
	errLoad = &Error{
		Status: http.StatusForbidden,
		Reason: "only fetch, EventSource and WebSocket may begin a link",
	}
	errBareGET = &Error{
		Status: http.StatusForbidden,
		Reason: "nothing says that a fetch, EventSource or WebSocket of our own page sent this: " +
			"serve over TLS, or send Accept: text/event-stream and, from a browser, a Referer of this site " +
			"(Referrer-Policy: same-origin instead of no-referrer) or the header Mirage-Link",
	}
	errMethod = &Error{
		Status: http.StatusMethodNotAllowed,
		Reason: "HEAD and OPTIONS never begin anything",
	}
	errToken = &Error{
		Status: http.StatusUnauthorized,
		Reason: "the link token is missing or no longer good; open a new link",
	}
	errRevoked = &Error{
		Status: http.StatusGone,
		Reason: "the id was revoked",
	}
	errTwice = &Error{
		Status: http.StatusInternalServerError,
		Reason: "two Mirage middlewares stand before this route whose ids have one cookie: " +
			"mount one of them, or give each a Name of its own (mirage.Options.Name, cookie.Options.Name)",
	}
	errMount = &Error{
		Status: http.StatusInternalServerError,
		Reason: "Mirage's middleware is not mounted on this route",
	}
)

// settling is the answer to a request whose id was moved since it came, or just
// before: its client comes back in a second or two, when the response that holds the
// new id has arrived.
func settling() *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Reason: "the id has just changed: come back soon",
		RetryAfter: time.Duration(1+rand.IntN(2)) * time.Second,
	}
}

// retryable is a refusal after which the client comes back.
func retryable(status int, reason string) *Error {
	return (&Error{Status: status, Reason: reason}).complete()
}

// complete returns a copy with the defaults filled in.
func (e *Error) complete() *Error {
	c := *e
	if c.Reason == "" {
		c.Reason = http.StatusText(c.Status)
	}
	if c.RetryAfter == 0 && (c.Status == http.StatusTooManyRequests || c.Status >= 500) {
		c.RetryAfter = time.Second + rand.N(4*time.Second) // spread: they failed together
	}
	return &c
}

// isOvertaken reports whether the session layer refuses what was asked because of what
// became of the id since the request came.
func isOvertaken(err error) bool {
	return errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}
