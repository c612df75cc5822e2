// Package websocket carries sessions over WebSocket (RFC 6455). Each text frame is a
// piece of the same text that a stream of Server-Sent Events and a POST carry.
package websocket

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/admission"
	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/duration"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/response"
	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/internal/writers"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// Options configure a Handler. The zero value has all defaults. The ages and bounds that
// all transports share are in session.Options.
type Options struct {
	// FrameRate is how many frames a second are read from a client, fragments and control
	// frames included. A burst may have four times as many. Beyond that the server delays
	// reading, but keeps the link. Frames that an honest client must send are free: two
	// for each message written to it, and two for each of its own frames whose messages
	// were handled. Zero means 50. Negative disables.
	FrameRate int
}

func (o Options) complete() Options {
	if o.FrameRate == 0 {
		o.FrameRate = 50
	}
	return o
}

// Handler returns the handler of one URL. A GET with a WebSocket handshake becomes a
// WebSocket, POST brings messages and acknowledgements, and DELETE ends the reader. The
// handler must be mounted behind Middleware.Guard of package middleware. Without a
// middleware it answers every GET, POST and DELETE with 500. It must also be mounted
// where connections can be hijacked. Where they cannot, a GET is refused with 501 and a
// text that says why.
func Handler(m *session.Manager, o Options) http.Handler {
	h := &handler{m: m, o: o.complete(), shared: m.Options(), up: upstream.Handler(m)}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	m       *session.Manager
	o       Options
	shared  session.Options
	up      http.Handler
	servers downstream.Servers
	pool    writers.Pool
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.get(w, r)
	} else {
		h.up.ServeHTTP(w, r)
	}
}

// get serves the handshake.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	id, ok := admission.AdmitNew(w, r, h.m)
	switch {
	case !ok:
	case !refuse.IsHandshake(r):
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusUpgradeRequired, Code: "no-handshake",
			Reason: "this is no WebSocket handshake (RFC 6455, 4.2.1) over HTTP/1.1",
		})
	case !response.CanHijack(w, r):
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusNotImplemented, Code: "miswired",
			Reason: "this route cannot carry WebSocket: its server is not net/http's, or a middleware " +
				"around it hides http.Hijacker (http.TimeoutHandler does); Server-Sent Events or long-poll work",
		})
	default:
		h.begin(w, r, id)
	}
}

// begin attaches the link and hijacks the connection. The handler returns; the link lives
// on.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, id middleware.Identity) {
	topics, err := admission.Topics(r)
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}
	life := duration.Jitter(h.shared.LinkAge)
	pump := downstream.NewPump()
	link, err := h.m.Attach(r.Context(), session.Attach{
		ID: id.ID, Asked: id.Asked, Value: id.Value, Reader: id.Client, Position: admission.Position(r), Topics: topics,
		Transport: "websocket", RemoteAddr: r.RemoteAddr, Life: life, Wake: pump.Wake,
	})
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}

	unfollow := h.servers.Follow(r, link)
	closed := func() {
		unfollow()
		link.Close()
	}

	hello := downstream.Hello(id, link, life, h.shared.Heartbeat, 0)
	id.Grant(w)
	conn, err := accept(w, r)
	if err != nil {
		closed()
		// The status is 101 already. Without the panic, net/http would send it, keep the
		// connection, and read the client's frames as requests.
		panic(http.ErrAbortHandler)
	}

	conn.timeout = h.shared.BodyTimeout
	closeFrame := func() (int, string) { return closeOf(pump.End()) }
	conn.out = newWriter(&h.pool, conn.net, h.shared.WriteTimeout, h.shared.Heartbeat, closeFrame, closed)
	l := &reader{h: h, id: id.ID, value: id.Value, ref: link.Hello.Link, plain: link.Plain, conn: conn}
	if h.o.FrameRate > 0 {
		earned := func() int64 { return 2 * (pump.Entries() + l.handled.Load()) }
		conn.meter = &meter{rate: h.o.FrameRate, earned: earned, at: time.Now()}
	}

	pump.Start(context.Background(), conn.out, link, hello)
	go l.run()
}
