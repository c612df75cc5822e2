// Package transport serves sessions on one URL, by whatever transport the client asks
// for.
package transport

import (
	"net/http"

	"github.com/mirage-go/mirage/internal/admission"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
	"github.com/mirage-go/mirage/transport/websocket"
)

// Options configure single transports. The zero value is a working one. The ages and
// bounds that all transports share are session.Options, so that no two of them can
// differ.
type Options struct {
	SSE       sse.Options
	Poll      poll.Options
	WebSocket websocket.Options
}

// Handler returns the handler of one URL. A GET that asks for an upgrade to WebSocket is
// one, a GET with _wait is a long-poll, any other one a stream of Server-Sent Events.
// POST and DELETE are the way up of all of them. It must stand behind the middleware.
//
// In a test, call Manager.Shutdown before httptest.Server.Close, which waits for open
// polls, and for streams that keep their handler, and tells nobody.
func Handler(m *session.Manager, o Options) http.Handler {
	streams, polls, sockets := sse.Handler(m, o.SSE), poll.Handler(m, o.Poll), websocket.Handler(m, o.WebSocket)
	up := upstream.Handler(m)
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
