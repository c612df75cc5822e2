// Package sse carries sessions over Server-Sent Events (WHATWG HTML §9.2). A GET opens a
// stream, which stays open for up to session.Options.LinkAge, ±20 %. POST and DELETE are
// its upstream direction.
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

// Options configure a Handler. The zero value has all defaults. The ages and bounds that
// all transports share are in session.Options.
type Options struct {
	// Retry is how long an EventSource is told to wait before it reconnects on its own,
	// ±50 %. Zero means 1s.
	Retry time.Duration

	// KeepHandler keeps the handler's goroutine and net/http's writer for each stream, as
	// always on HTTP/2. Without it, the connection of an HTTP/1.1 request is hijacked
	// where that is possible, and the handler returns at once. An idle stream then costs
	// a fifth of the memory. Access logs see the handler return at once;
	// session.Options.OnClose says how long a stream lived.
	KeepHandler bool
}

func (o Options) complete() Options {
	o.Retry = duration.Option("sse: Options.Retry", o.Retry, time.Second)
	return o
}

// Handler returns the handler of one URL. GET begins a stream, POST brings messages and
// acknowledgements, and DELETE ends the reader. The handler must be mounted behind
// Middleware.Guard of package middleware. Without a middleware it answers every GET, POST
// and DELETE with 500. It must also be mounted where responses can be flushed. Where they
// cannot, a GET is refused with 501 and a text that says why.
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
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusNotImplemented, Code: "miswired",
			Reason: "this route cannot stream: a middleware around it hides http.Flusher " +
				"(http.TimeoutHandler does); long-poll works: ask with _wait=25",
		})
		return
	}
	h.stream(w, r, id)
}

func (h *handler) stream(w http.ResponseWriter, r *http.Request, id middleware.Identity) {
	ctx := r.Context()
	topics, err := admission.Topics(r)
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}
	life := duration.Within(ctx, duration.Jitter(h.shared.LinkAge))
	pump := downstream.NewPump()
	link, err := h.m.Attach(ctx, session.Attach{
		ID: id.ID, Asked: id.Asked, Value: id.Value, Reader: id.Client, Position: admission.Position(r), Topics: topics,
		Transport: "sse", RemoteAddr: r.RemoteAddr, Life: life, Wake: pump.Wake,
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
	w.WriteHeader(http.StatusOK) // before the first flush, otherwise Compress sends gzip without its header

	// The hello, through net/http and all middleware.
	out := downstream.NewResponse(&h.pool, w, r, h.shared.WriteTimeout)
	hello := downstream.Hello(id, link, life, h.shared.Heartbeat, duration.Half(h.o.Retry))
	if !pump.Greet(ctx, out, link, hello) {
		return
	}
	sent, known := response.Sent(w)
	if known && !sent {
		h.heldBack.Do(func() { warnHeldBack(w) })
		return // the client would not see what follows; it reconnects, and gets that with the next hello
	}

	// All that follows, over the hijacked connection where that is possible.
	if !h.o.KeepHandler && sent && !response.Compressed(w.Header()) && response.CanHijack(w, r) {
		if conn, err := downstream.Hijack(&h.pool, w, h.shared.WriteTimeout, closed); err == nil {
			hijacked = true
			pump.Start(context.Background(), conn, link, nil)
			return
		}
	}
	pump.Start(ctx, out, link, nil)
	out.Run(ctx)
}

// warnHeldBack logs why streams on this route end at once.
func warnHeldBack(w http.ResponseWriter) {
	slog.Warn("mirage: a middleware around this route holds responses back, flushed or not, so that streams end "+
		"after their first event: mount the route outside of it, or let clients poll", "writer", fmt.Sprintf("%T", w))
}
