package middleware

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/store"
)

// An Error is a refusal with its own status. A hook returns one, wrapped or not, to
// decide what the client gets. Require returns one.
type Error struct {
	// Status is 400 to 599. After 403 and 410 a client stops, after 429 and 5xx it
	// retries.
	Status int
	// Reason is text for the client. Empty means the text of the status.
	Reason string
	// RetryAfter is how long the client waits before it retries. Zero means one to five
	// seconds at random for 429 and 5xx.
	RetryAfter time.Duration

	code string // the word for why, if it is not the application that refused
}

func (e *Error) Error() string { return fmt.Sprintf("middleware: %d %s", e.Status, e.Reason) }

// HTTPStatus returns the fields, with the defaults filled in. By this method, package
// session recognizes an error that Options.OnJoin returns.
func (e *Error) HTTPStatus() (status int, reason string, retryAfter time.Duration) {
	c := e.complete()
	return c.Status, c.Reason, c.RetryAfter
}

// Code returns the word for why: see docs/operations.md, section Reasons. For an Error of
// the application it is "refused".
func (e *Error) Code() string {
	if e.code == "" {
		return "refused"
	}
	return e.code
}

// refusal returns what the client is told.
func (e *Error) refusal() refuse.Refusal {
	return refuse.Refusal{Status: e.Status, Code: e.Code(), Reason: e.Reason, Retry: e.RetryAfter}
}

// Refusals that are always the same. They are shared and must not be changed.
var (
	errForeign = &Error{
		code:   "foreign",
		Status: http.StatusForbidden,
		Reason: "a page of another origin has no identity here; add it to Origins if it should",
	}
	errLoad = &Error{
		code:   "not-a-fetch",
		Status: http.StatusForbidden,
		Reason: "only fetch, EventSource and WebSocket may begin a link",
	}
	errBareGET = &Error{
		code:   "not-a-fetch",
		Status: http.StatusForbidden,
		Reason: "nothing says that a fetch, EventSource or WebSocket of our own page sent this: " +
			"serve over TLS, or send Accept: text/event-stream and, from a browser, a Referer of this site " +
			"(Referrer-Policy: same-origin instead of no-referrer) or the header Mirage-Link",
	}
	errMethod = &Error{
		code:   "method",
		Status: http.StatusMethodNotAllowed,
		Reason: "HEAD and OPTIONS never begin anything",
	}
	errToken = &Error{
		code:   "token",
		Status: http.StatusUnauthorized,
		Reason: "the link token is missing or no longer good; open a new link",
	}
	errRevoked = &Error{
		code:   "revoked",
		Status: http.StatusGone,
		Reason: "the id was revoked",
	}
	errTwice = &Error{
		code:   "miswired",
		Status: http.StatusInternalServerError,
		Reason: "two Mirage middlewares on this route use the same cookie name: " +
			"mount one of them, or give each a Name of its own (mirage.Options.Name, cookie.Options.Name)",
	}
	errMount = &Error{
		code:   "miswired",
		Status: http.StatusInternalServerError,
		Reason: "Mirage's middleware is not mounted on this route",
	}
)

// settling returns the refusal of a request whose id was moved after the request arrived,
// or just before. Its client retries in one or two seconds, when the response with the
// new id has arrived.
func settling() *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, code: "settling", Reason: "the id has just changed: come back soon",
		RetryAfter: time.Duration(1+rand.IntN(2)) * time.Second,
	}
}

// unavailable returns a refusal with 503, after which the client retries.
func unavailable(code, reason string) *Error {
	return (&Error{Status: http.StatusServiceUnavailable, code: code, Reason: reason}).complete()
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

// isOvertaken reports whether the session layer refused an operation because the id was
// moved or revoked after the request arrived.
func isOvertaken(err error) bool {
	return errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}
