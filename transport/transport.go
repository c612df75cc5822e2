// Package transport serves sessions on one URL, by whatever transport the client asks for.
package transport

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/stream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
	"github.com/mirage-go/mirage/transport/websocket"
)

// Options configure the transports. The bounds of POST are those of SSE.
type Options struct {
	SSE       sse.Options
	Poll      poll.Options
	WebSocket websocket.Options
}

// Handler returns the handler of one URL. A GET that asks for an upgrade to WebSocket is one, a GET with _wait is a long-poll, any other one a stream of
// Server-Sent Events; POST and DELETE are the way up of all. It must stand behind the middleware.
func Handler(m *session.Manager, o Options) http.Handler {
	streams, polls, sockets := sse.Handler(m, o.SSE), poll.Handler(m, o.Poll), websocket.Handler(m, o.WebSocket)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, waits := stream.Query(r, "_wait")
		switch {
		case r.Method == http.MethodGet && refuse.WantsWebSocket(r):
			sockets.ServeHTTP(w, r)
		case r.Method == http.MethodGet && waits:
			polls.ServeHTTP(w, r)
		default:
			streams.ServeHTTP(w, r)
		}
	})
}

// Mount serves h on pattern of a chi router for every method, behind mw (middleware.New) and behind what the router uses already. Keep
// these routes out of middleware.Timeout, Throttle and Compress of chi: a stream lives long.
func Mount(r chi.Router, pattern string, mw func(http.Handler) http.Handler, h http.Handler) {
	r.With(mw).Handle(pattern, h)
}
