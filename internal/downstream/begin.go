package downstream

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Admit returns who asks for a link by GET, or answers why there is none. A GET with a body is refused: net/http would wait for it before the first
// byte of the answer, and not notice that the client leaves.
func Admit(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Require(w, r, m); ok && r.ContentLength != 0 {
		refuse.Write(w, r, http.StatusBadRequest, "a GET has no body here", 0)
		return id, false
	}
	return id, ok
}

// Require is middleware.Require for a transport of m, and answers what has no identity. A route
// whose middleware has not the same sessions refuses all: ids would count there that are revoked
// here.
func Require(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	id, err := middleware.Require(r) // first: it takes the cookie back, whatever follows
	if mistake := wiring.Check(r.Context(), m); mistake != nil {
		refuse.Mistake(w, r, mistake.Error())
		return id, false
	}
	if err != nil {
		Refuse(w, r, err)
		return id, false
	}
	return id, true
}

// AdmitNew is Admit for a transport whose every GET begins a link. A link token, which the middleware honours beside _wait, lets a poll go on and begins
// nothing: else it would renew itself for ever, past all hooks and past Revoke.
func AdmitNew(w http.ResponseWriter, r *http.Request, m *session.Manager) (id middleware.Identity, ok bool) {
	if id, ok = Admit(w, r, m); ok && id.Link != 0 {
		refuse.Write(w, r, http.StatusUnauthorized, "a link token begins no link: open a new link without it", 0)
		return id, false
	}
	return id, ok
}

// SetHeaders sets the headers of a text of event blocks that nobody is to keep, change or hold back. Incremental is RFC 10036.
func SetHeaders(h http.Header) {
	h["Content-Type"] = eventStream
	h["Cache-Control"] = noStore
	h["X-Accel-Buffering"] = no
	h["Incremental"] = yes
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
}

// Shared and never changed: net/http only reads them.
var (
	eventStream = []string{"text/event-stream; charset=utf-8"}
	noStore     = []string{"no-store, no-transform"}
	no          = []string{"no"}
	yes         = []string{"?1"}
	nosniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
	identity    = []string{"identity"}
)

// Hello returns the first block of a link, and for a plain client, which does not read
// it, a second one with what is lost. life is how long the link lives at most, and retry
// the delay of a browser's own reconnect (0 says nothing of it).
func Hello(id middleware.Identity, link *session.Link, life, heartbeat, retry time.Duration) []byte {
	a := &link.Hello
	h := frame.Hello{
		ID: id.ID, Previous: id.Previous, Mirage: id.Signed,
		Reader: a.Link.Reader, Link: id.LinkToken(a.Link.Reader, a.Link.Number, life),
		Resumed: a.Resumed, Reason: string(a.Reason), Sent: a.Sent, Accepted: a.Accepted,
		Heartbeat: heartbeat.Milliseconds(),
	}
	if h.Previous == "" {
		h.Previous = a.Previous
	}
	dst := make([]byte, 0, 640)
	if a.Lost == (store.Lost{}) {
		return frame.AppendHello(dst, a.Position, retry, &h)
	}
	h.Lost = (*frame.Range)(&a.Lost)
	if !link.Plain || a.Reason == store.MissingTrimmed { // of what was trimmed the log tells each reader when it comes there
		return frame.AppendHello(dst, a.Position, retry, &h)
	}
	return frame.AppendHelloAndGap(dst, a.Position, retry, &h)
}

// Or is the option d, or its default if it is not above zero. What is longer than a hundred years is as long: no sum with it overflows.
func Or(d, zero time.Duration) time.Duration {
	if d <= 0 {
		return zero
	}
	return min(d, 100*365*24*time.Hour)
}

// Jitter spreads d by ±20 %, so that links that began together do not end together.
func Jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

// Within is d, or less where a middleware of the kind of chi's Timeout ends the context earlier: the response is over before that. It is 0 for 0 alone.
func Within(ctx context.Context, d time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return d
	}
	left := time.Until(deadline)
	return min(d, max(1, left-min(left/10, time.Second)))
}

// Half spreads d by ±50 %.
func Half(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }

// Position is what the client says it has: Last-Event-ID, which a browser sends by
// itself, before the query's lastEventId, which polyfills that may set no header send for
// it, before the query's _pos.
func Position(r *http.Request) string {
	if ids := r.Header["Last-Event-Id"]; len(ids) > 0 && ids[0] != "" {
		return ids[0]
	}
	if id, _ := Query(r, "lastEventId"); id != "" {
		return id
	}
	pos, _ := Query(r, "_pos")
	return pos
}

// Query returns a parameter of the request's query without building a map of all; the first one counts. A text that is not
// well escaped is returned as it is, to be refused as what it was to be.
func Query(r *http.Request, key string) (value string, ok bool) {
	for raw := r.URL.RawQuery; raw != ""; {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if k, v, _ := strings.Cut(pair, "="); k == key {
			if text, err := url.QueryUnescape(v); err == nil {
				return text, true
			}
			return v, true
		}
	}
	return "", false
}
