// Package transport serves sessions on one URL, by whatever transport the client asks
// for.
package transport

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/internal/admission"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
	"github.com/mirage-go/mirage/transport/websocket"
)

// Options configure the transports. The zero value is a working one.
type Options struct {
	SSE       sse.Options
	Poll      poll.Options
	WebSocket websocket.Options

	// MaxBody bounds what one POST or WebSocket frame brings, in bytes, whatever the
	// transport of the link is. Zero means the smallest that SSE and Poll have set for
	// POST, or else 64 KiB, or a third more than the Manager's MaxMessageSize if that is
	// larger. WebSocket.MaxFrame, if set, goes before it.
	MaxBody int
	// MaxBatch bounds the messages in one of them. Zero means the smallest that SSE and
	// Poll have set for POST, or else 100. WebSocket.MaxBatch, if set, goes before it.
	MaxBatch int
	// BodyTimeout is how long one may take to arrive. Zero means the shortest that SSE
	// and Poll have set for POST, or else 10s. WebSocket.FrameTimeout, if set, goes
	// before it.
	BodyTimeout time.Duration
}

// complete gives all transports the same bounds: a POST may belong to a link of any.
// Those of POST stand in SSE afterwards.
func (o Options) complete() Options {
	o.WebSocket.MaxFrame = either(o.WebSocket.MaxFrame, o.MaxBody)
	o.WebSocket.MaxBatch = either(o.WebSocket.MaxBatch, o.MaxBatch)
	o.WebSocket.FrameTimeout = either(o.WebSocket.FrameTimeout, o.BodyTimeout)
	o.SSE.MaxBody = either(o.MaxBody, smallest(o.SSE.MaxBody, o.Poll.MaxBody))
	o.SSE.MaxBatch = either(o.MaxBatch, smallest(o.SSE.MaxBatch, o.Poll.MaxBatch))
	o.SSE.BodyTimeout = either(o.BodyTimeout, smallest(o.SSE.BodyTimeout, o.Poll.BodyTimeout))
	return o
}

// either returns the first option that is set, smallest the smaller one of those that
// are; 0 if none is.
func either[T int | time.Duration](a, b T) T {
	if a > 0 {
		return a
	}
	return max(b, 0)
}

func smallest[T int | time.Duration](a, b T) T {
	if a > 0 && b > 0 {
		return min(a, b)
	}
	return either(a, b)
}

// Handler returns the handler of one URL. A GET that asks for an upgrade to WebSocket is
// one, a GET with _wait is a long-poll, any other one a stream of Server-Sent Events.
// POST and DELETE are the way up of all of them. It must stand behind the middleware.
//
// In a test, call Manager.Shutdown before httptest.Server.Close, which waits for open
// links and tells nobody.
func Handler(m *session.Manager, o Options) http.Handler {
	o = o.complete()
	streams, polls, sockets := sse.Handler(m, o.SSE), poll.Handler(m, o.Poll), websocket.Handler(m, o.WebSocket)
	up := upstream.Handler(m, upstream.Options{
		MaxBody: o.SSE.MaxBody, MaxBatch: o.SSE.MaxBatch, Timeout: o.SSE.BodyTimeout,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, polling := admission.Query(r, "_wait")
		switch {
		case r.Method != http.MethodGet:
			up.ServeHTTP(w, r)
		case refuse.WantsWebSocket(r):
			sockets.ServeHTTP(w, r)
		case polling:
			polls.ServeHTTP(w, r)
		default:
			streams.ServeHTTP(w, r)
		}
	})
}

// Mount serves h on pattern of a chi router for every method, behind mw (middleware.New)
// and behind what the router uses already. Keep these routes out of middleware.Timeout,
// Throttle and Compress of chi: a stream lives long.
func Mount(r chi.Router, pattern string, mw func(http.Handler) http.Handler, h http.Handler) {
	r.With(mw).Handle(pattern, h)
}
