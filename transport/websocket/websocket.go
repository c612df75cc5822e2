// Package websocket carries sessions over WebSocket (RFC 6455): each text frame is a
// piece of the same text that a stream and a POST carry.
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

// Options configure a Handler. The zero value is a working one.
type Options struct {
	// LinkAge is how long a link lives, ±20 %; then the client comes back at once and
	// loses nothing. It bounds how old a validation of the id can be. Zero means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it, or half
	// as long again; then its link ends and the log stays. Zero means 10s.
	WriteTimeout time.Duration
	// OnClose is called once for each link when it has ended. It must be quick; a panic
	// is logged. Loggers see the handler return as soon as the link has begun.
	OnClose func(Closed)
	// Context returns the values for OnMessage's context. It is called once for each
	// link, while its request lasts; what only lives as long as the request (chi's route
	// context does) must not be in it. Nil means no values.
	Context func(*http.Request) context.Context

	// MaxFrame bounds a frame that a client sends, in bytes. Zero means 64 KiB, or a
	// third more than the Manager's MaxMessageSize if that is larger.
	MaxFrame int
	// MaxBatch bounds the messages in one frame. Zero means 100.
	MaxBatch int
	// FrameTimeout is how long a frame may take to arrive. Zero means 10s.
	FrameTimeout time.Duration
	// FrameRate is how many frames a second are read from a client, of any kind and
	// fragments too, and four times as many at once. Beyond that the server reads no
	// faster, and the link stays. Two frames for each message that the link has written,
	// and for each frame of the client with messages that were handled, do not count.
	// Zero means 50. Negative disables.
	FrameRate int
}

// Closed is a link that has ended.
type Closed struct {
	ID, Reader string        // whose it was
	RemoteAddr string        // of the request
	Bytes      int64         // of blocks written to the client
	Duration   time.Duration // from hello to the end
	End        session.End   // why it ended; "" if the client left
}

func (o Options) complete() Options {
	o.LinkAge = duration.Or(o.LinkAge, 10*time.Minute)
	o.WriteTimeout = duration.Or(o.WriteTimeout, 10*time.Second)
	if o.FrameRate == 0 {
		o.FrameRate = 50
	}
	if o.Context == nil {
		o.Context = func(*http.Request) context.Context { return context.Background() }
	}
	return o
}

// Handler returns the handler of one URL: a GET that asks for it becomes a WebSocket,
// POST brings messages and acknowledgements, DELETE ends the reader. It must stand behind
// the middleware and where connections can be taken over; it says so where they cannot.
func Handler(m *session.Manager, o Options) http.Handler {
	up := upstream.Options{MaxBody: o.MaxFrame, MaxBatch: o.MaxBatch, Timeout: o.FrameTimeout}
	h := &handler{m: m, o: o.complete(), up: up.Complete(m.MaxMessageSize()), post: upstream.Handler(m, up)}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	m       *session.Manager
	o       Options
	up      upstream.Options
	post    http.Handler
	servers downstream.Servers
	pool    writers.Pool
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.get(w, r)
	} else {
		h.post.ServeHTTP(w, r)
	}
}

// get is the handshake.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	id, ok := admission.AdmitNew(w, r, h.m)
	switch {
	case !ok:
	case !refuse.IsHandshake(r):
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		refuse.Write(w, r, http.StatusUpgradeRequired,
			"this is no WebSocket handshake (RFC 6455, 4.2.1) over HTTP/1.1", 0)
	case !response.CanHijack(w, r):
		refuse.Write(w, r, http.StatusNotImplemented, "this route cannot carry WebSocket: its server is not "+
			"net/http's, or a middleware around it hides http.Hijacker (http.TimeoutHandler does); Server-Sent Events or long-poll work", 0)
	default:
		h.begin(w, r, id)
	}
}

// begin makes the link and takes the connection over. The handler returns; the link lives
// on.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, id middleware.Identity) {
	ctx := h.o.Context(r) // first: it is the application's, and may panic
	life := duration.Jitter(h.o.LinkAge)
	pump := downstream.NewPump()
	link, err := h.m.Attach(r.Context(), session.Attach{
		ID: id.ID, Asked: id.Asked, Reader: id.Client, Position: admission.Position(r),
		Transport: "websocket", Life: life, Wake: pump.Wake,
	})
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}
	unfollow, start, addr := h.servers.Follow(r, link), time.Now(), r.RemoteAddr
	closed := func() {
		unfollow()
		link.Close()
		if h.o.OnClose != nil {
			c := Closed{link.ID(), link.Hello.Link.Reader, addr, pump.Bytes(), time.Since(start), pump.End()}
			downstream.CallOnClose(h.o.OnClose, c)
		}
	}
	hello := downstream.Hello(id, link, life, h.m.Heartbeat(), 0)
	id.Grant(w)
	conn, err := accept(w, r)
	if err != nil {
		closed()
		// The answer is 101 already. net/http would send it, keep the connection, and
		// read the client's frames as requests.
		panic(http.ErrAbortHandler)
	}
	conn.timeout = h.up.Timeout
	closeFrame := func() (int, string) { return closeOf(pump.End()) }
	conn.out = newWriter(&h.pool, conn.net, h.o.WriteTimeout, h.m.Heartbeat(), closeFrame, closed)
	l := &reader{h: h, ctx: ctx, id: id.ID, ref: link.Hello.Link, plain: link.Plain, conn: conn}
	if h.o.FrameRate > 0 {
		earned := func() int64 { return 2 * (pump.Entries() + l.handled.Load()) }
		conn.meter = &meter{rate: h.o.FrameRate, earned: earned, at: start}
	}
	pump.Start(context.Background(), conn.out, link, hello)
	go l.run()
}
