// Package sse carries sessions over Server-Sent Events (WHATWG HTML §9.2): a GET is a
// stream that does not end, POST and DELETE are its way up.
package sse

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
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
	// LinkAge is how long a stream lives, ±20 %; then the client comes back at once and
	// loses nothing. It bounds how old a validation of the id can be. Zero means 10m.
	LinkAge time.Duration
	// WriteTimeout is how long a client may take to read what was written to it, or half
	// as long again; then its link ends and the log stays. Zero means 10s.
	WriteTimeout time.Duration
	// Retry is what an EventSource is told to wait before it comes back by itself, ±50 %.
	// Zero means 1s.
	Retry time.Duration

	// KeepHandler keeps the handler's goroutine and net/http's writer for each stream, as
	// HTTP/2 does. Without it the connection of an HTTP/1.1 request is taken over
	// (hijacked) where that is possible, and the handler returns at once: an idle stream
	// then costs a fifth of the memory. Loggers see the handler return at once; OnClose
	// is what tells how long a stream lived.
	KeepHandler bool
	// OnClose is called once for each stream when it has ended. It must be quick; a panic
	// is logged.
	OnClose func(Closed)

	// MaxBody bounds the body of a POST, in bytes. Zero means 64 KiB, or a third more
	// than the Manager's MaxMessageSize if that is larger.
	MaxBody int
	// MaxBatch bounds the messages in one POST. Zero means 100.
	MaxBatch int
	// BodyTimeout is how long a body may take to arrive. Zero means 10s.
	BodyTimeout time.Duration
}

// Closed is a stream that has ended.
type Closed struct {
	ID, Reader string        // whose it was
	RemoteAddr string        // of the request
	Bytes      int64         // written to the client
	Duration   time.Duration // from hello to the end
	End        session.End   // why it ended; "" if the client left
}

func (o Options) complete() Options {
	o.LinkAge = duration.Or(o.LinkAge, 10*time.Minute)
	o.WriteTimeout = duration.Or(o.WriteTimeout, 10*time.Second)
	o.Retry = duration.Or(o.Retry, time.Second)
	return o
}

// Handler returns the handler of one URL: GET begins a stream, POST brings messages and
// acknowledgements, DELETE ends the reader. It must stand behind the middleware and where
// responses can be flushed; it says so where they cannot.
func Handler(m *session.Manager, o Options) http.Handler {
	h := &handler{m: m, o: o.complete(), up: upstream.Handler(m, upstream.Options{
		MaxBody: o.MaxBody, MaxBatch: o.MaxBatch, Timeout: o.BodyTimeout,
	})}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	m       *session.Manager
	o       Options
	up      http.Handler
	servers downstream.Servers
	pool    writers.Pool

	heldBack sync.Once // warnHeldBack
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.get(w, r)
	} else {
		h.up.ServeHTTP(w, r)
	}
}

// get begins a stream.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	id, ok := admission.AdmitNew(w, r, h.m)
	if !ok {
		return
	}
	if !response.CanFlush(w) {
		refuse.Write(w, r, http.StatusNotImplemented, "this route cannot stream: a middleware around it hides "+
			"http.Flusher (http.TimeoutHandler does); long-poll works: ask with _wait=25", 0)
		return
	}
	h.stream(w, r, id)
}

func (h *handler) stream(w http.ResponseWriter, r *http.Request, id middleware.Identity) {
	ctx := r.Context()
	life := duration.Within(ctx, duration.Jitter(h.o.LinkAge))
	pump := downstream.NewPump()
	link, err := h.m.Attach(ctx, session.Attach{
		ID: id.ID, Asked: id.Asked, Reader: id.Client, Position: admission.Position(r),
		Transport: "sse", Life: life, Wake: pump.Wake,
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
	if h.o.OnClose != nil {
		closed = h.telling(closed, link, pump, r.RemoteAddr)
	}
	hijacked := false
	defer func() {
		if !hijacked {
			closed()
		}
	}()

	// The head.
	id.Grant(w)
	answer.SetEventStream(w.Header())
	if r.ProtoMajor == 1 {
		downstream.Unchunk(w.Header())
	}
	response.Identity(w)
	w.WriteHeader(http.StatusOK) // before the first flush, or Compress sends gzip without saying so

	// The hello, through net/http and all middleware.
	out := downstream.NewResponse(&h.pool, w, r, h.o.WriteTimeout)
	if !pump.Greet(ctx, out, link, downstream.Hello(id, link, life, h.m.Heartbeat(), duration.Half(h.o.Retry))) {
		return
	}
	sent, known := response.Sent(w)
	if known && !sent {
		h.heldBack.Do(func() { warnHeldBack(w) })
		return // nobody would see what comes later; the client comes back, and has it from the next hello
	}

	// All that follows, over the connection itself where that is possible.
	if !h.o.KeepHandler && sent && !response.Compressed(w.Header()) && response.CanHijack(w, r) {
		if conn, err := downstream.Hijack(&h.pool, w, h.o.WriteTimeout, closed); err == nil {
			hijacked = true
			pump.Start(context.Background(), conn, link, nil)
			return
		}
	}
	pump.Start(ctx, out, link, nil)
	out.Run(ctx)
}

// warnHeldBack says why streams on this route end at once.
func warnHeldBack(w http.ResponseWriter) {
	slog.Warn("mirage: a middleware around this route holds responses back, flushed or not, so that streams end "+
		"after their first event: mount the route outside of it, or let clients poll", "writer", fmt.Sprintf("%T", w))
}

// telling returns closed with the application's OnClose after it.
func (h *handler) telling(closed func(), link *session.Link, pump *downstream.Pump, addr string) func() {
	start := time.Now()
	return func() {
		closed()
		c := Closed{link.ID(), link.Hello.Link.Reader, addr, pump.Bytes(), time.Since(start), pump.End()}
		downstream.CallOnClose(h.o.OnClose, c)
	}
}
