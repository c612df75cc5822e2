// Package transport serves sessions on one URL, by the transport that the client asks
// for.
//
// Its words, and those of the packages below it: a link is one connection of a client to
// its session, on any transport. A reader is one client object with its own place in the
// session's log (a subscriber), which outlives its links. A position is a place in that
// log (an offset). Hello is the first event of each link (its handshake). A plain client,
// such as an EventSource or curl, does not use mirage.js or its protocol: it sends no
// _cid and acknowledges nothing. Only the position that it presents tells what it has.
// Upstream means from the client to the server.
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

// Options configure the transports one by one. The zero value has all defaults. The ages
// and bounds that all transports share are in session.Options, so that they cannot differ
// between transports.
type Options struct {
	SSE       sse.Options
	Poll      poll.Options
	WebSocket websocket.Options
}

// Handler returns the handler of one URL. A GET that asks for an upgrade to WebSocket
// becomes a WebSocket, a GET with _wait in its query is a long-poll, and any other GET is
// a stream of Server-Sent Events. On all transports, POST and DELETE carry the upstream
// direction. The handler must be mounted behind Middleware.Guard of package middleware.
// Without a middleware it answers every GET, POST and DELETE with 500.
//
// In a test, call Manager.Shutdown before httptest.Server.Close. Close waits for open
// polls, and for streams that keep their handler, but does not tell them to end.
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
