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
	Code     string `json:"code"` // the word for why
}

// A Refusal is what a client is told that does not get what it asked for.
type Refusal struct {
	Status int
	Code   string // the word for why: see docs/operations.md, section Reasons
	// Reason is UTF-8 text for the client: ours or the application's, never the error of
	// a library.
	Reason string
	// Retry is the time after which the client retries, rounded up to whole seconds; 0
	// leaves that to the client.
	Retry time.Duration
}

// Write answers the request with a refusal. Nothing may be written to w before or after
// Write. There are three forms:
//
//   - A WebSocket handshake of a browser (it has an Origin) is accepted and at once
//     closed with 4000+Status and the Reason, which ends in "; retry in N s" if
//     Retry is above 0. Write then waits for the client's close frame, at most a
//     second. This form is not used for a request marked by Foreign, or if w cannot be
//     hijacked.
//   - A plain EventSource that should retry (401, 408, 429, 5xx except 501) gets 200,
//     "retry:" and the end of the stream.
//   - Every other client gets the status, Retry-After and a problem as JSON.
//
// Caches must not store any of these responses. A response other than 101 to a request
// for a WebSocket ends the connection (see NotUpgraded).
func Write(w http.ResponseWriter, r *http.Request, no Refusal) {
	write(w, r, no, comeBack(no.Status))
}

// Mistake is Write with 500 for a mistake in the program. No client retries, not even a
// plain EventSource, so that the programmer sees the mistake.
func Mistake(w http.ResponseWriter, r *http.Request, reason string) {
	write(w, r, Refusal{Status: http.StatusInternalServerError, Code: "miswired", Reason: reason}, false)
}

func write(w http.ResponseWriter, r *http.Request, no Refusal, comeBack bool) {
	if r.ContentLength != 0 { // net/http reads on after a refusal, and resets the deadline at the body's end
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	}

	guard(w.Header())
	NotUpgraded(w.Header(), r)

	switch {
	case r.Header.Get("Origin") != "" && IsHandshake(r) && !isForeign(r) &&
		closeWebSocket(w, r, no.Status, withRetry(no.Reason, no.Retry)):
	case comeBack && isEventSource(r):
		endEventStream(w, no.Retry)
	default:
		if no.Retry > 0 {
			w.Header().Set("Retry-After", seconds(no.Retry))
		}
		writeProblem(w, problem{Status: no.Status, Code: no.Code, Detail: no.Reason})
	}
}

// guard keeps a response out of caches, disables type sniffing, and hides its URL from
// other sites.
func guard(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// bodyTimeout is how long the body of a refused request may take to arrive.
const bodyTimeout = time.Second

// Conflict answers with 409 and a problem with the member "expected": the number of the
// message that the server waits for. The caller must handle requests for a WebSocket (see
// NotUpgraded).
func Conflict(w http.ResponseWriter, reason string, expected uint64) {
	guard(w.Header())
	writeProblem(w, problem{Status: http.StatusConflict, Code: "order", Detail: reason, Expected: expected})
}

// Foreign returns a context that says whether the request comes from a foreign page. If
// so, Write answers with the plain status and accepts no WebSocket.
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
	body, _ := json.Marshal(p) // cannot fail for numbers and strings
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

// comeBack reports whether a client retries after this status (W6).
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
