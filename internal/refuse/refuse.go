package refuse

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// A problem is the body of a refusal (RFC 9457).
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Expected uint64 `json:"expected,omitempty"`
}

// Write answers the request with status and reason; a retryAfter above 0 is when to come
// back, rounded up to whole seconds. reason is text for the client, in UTF-8: ours or the
// application's, never the error of a library. Write is the only answer to the request:
// nothing may have been written before and nothing may be written after it. There are
// three forms:
//
//   - A WebSocket handshake of a browser (it has an Origin) is accepted and at once
//     closed with 4000+status and the reason, which ends in "; retry in N s" if there is
//     a retryAfter. Write then returns after the client's answer, at the latest after a
//     second. Not so for a request marked by Foreign, nor where w cannot be hijacked.
//   - A plain EventSource that is to come back (401, 408, 429, 5xx) gets 200, "retry:"
//     and the end.
//   - Everybody else gets the status, Retry-After and a problem as JSON.
//
// No answer may be stored by a cache, and an answer other than 101 to a request for a
// WebSocket ends the connection (see NotUpgraded).
func Write(w http.ResponseWriter, r *http.Request, status int, reason string, retryAfter time.Duration) {
	write(w, r, status, reason, retryAfter, comeBack(status))
}

// Mistake is Write with 500 for a mistake in the program. Nobody is to come back, not
// even a plain EventSource: who has made it is to see it.
func Mistake(w http.ResponseWriter, r *http.Request, reason string) {
	write(w, r, http.StatusInternalServerError, reason, 0, false)
}

func write(w http.ResponseWriter, r *http.Request, status int, reason string, retryAfter time.Duration, comeBack bool) {
	if r.ContentLength != 0 { // net/http reads on after a refusal, and lifts the deadline at the body's end
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	}

	guard(w.Header())
	NotUpgraded(w.Header(), r)

	switch {
	case r.Header.Get("Origin") != "" && IsHandshake(r) && !isForeign(r) &&
		closeWebSocket(w, r, status, withRetry(reason, retryAfter)):
	case comeBack && isEventSource(r):
		endEventStream(w, retryAfter)
	default:
		if retryAfter > 0 {
			w.Header().Set("Retry-After", seconds(retryAfter))
		}
		writeProblem(w, problem{Status: status, Detail: reason})
	}
}

// guard keeps an answer out of caches, its type from being guessed and its address from
// other sites.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// bodyTimeout is how long the body of a refused request may go on.
const bodyTimeout = time.Second

// Conflict answers 409 as a problem with the member "expected": the number of the message
// that the server waits for. A request for a WebSocket is the caller's to note (see
// NotUpgraded).
func Conflict(w http.ResponseWriter, reason string, expected uint64) {
	guard(w.Header())
	writeProblem(w, problem{Status: http.StatusConflict, Detail: reason, Expected: expected})
}

// Foreign notes in the context of a request whether it comes from a foreign page: Write
// gives it the plain status then, and accepts no WebSocket.
func Foreign(ctx context.Context, foreign bool) context.Context {
	if was, _ := ctx.Value(foreignKey{}).(bool); was == foreign {
		return ctx
	}
	return context.WithValue(ctx, foreignKey{}, foreign)
}

type foreignKey struct{}

func isForeign(r *http.Request) bool {
	foreign, _ := r.Context().Value(foreignKey{}).(bool)
	return foreign
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	body, _ := json.Marshal(p) // numbers and strings: no error
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

// comeBack tells the statuses after which a client tries again (W6).
func comeBack(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status != http.StatusNotImplemented
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
