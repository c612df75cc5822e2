// Package poll carries sessions over long-polling. A response has the same text as a
// stream of Server-Sent Events, but ends. A client acknowledges a response by the
// position in its next poll, so a response that was lost on the way is sent again.
package poll

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/internal/admission"
	"github.com/mirage-go/mirage/internal/answer"
	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/duration"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// Options configure a Handler. The zero value has all defaults. The ages and bounds that
// all transports share are in session.Options.
type Options struct {
	// Hold is how long a poll waits for a message at most. A client may ask for less with
	// _wait. Zero means 25s.
	Hold time.Duration
	// Pause is how long a link (a chain of polls) lives after a response that no further
	// poll follows. Zero means 30s.
	Pause time.Duration
}

func (o Options) complete() Options {
	o.Hold = duration.Option("poll: Options.Hold", o.Hold, 25*time.Second)
	o.Pause = duration.Option("poll: Options.Pause", o.Pause, 30*time.Second)
	return o
}

// Handler returns the handler of one URL. GET is a poll, POST brings messages and
// acknowledgements, and DELETE ends the reader. The handler must be mounted behind
// Middleware.Guard of package middleware. Without a middleware it answers every GET, POST
// and DELETE with 500. A poll without a link token (the header Mirage-Link) begins a
// link, and is answered at once with hello (the handshake). The polls that follow get no
// hello. They wait for as many seconds as the query key _wait says, but at most for Hold.
// _wait is a whole number. Any other value gets 400.
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
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		h.get(w, r)
	} else {
		h.up.ServeHTTP(w, r)
	}
}

// get serves one poll.
func (h *handler) get(w http.ResponseWriter, r *http.Request) {
	id, ok := admission.Admit(w, r, h.m)
	if !ok {
		return
	}
	wait, err := h.wait(r)
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}
	h.poll(w, r, id, wait)
}

// wait returns how long the client is ready to wait.
func (h *handler) wait(r *http.Request) (time.Duration, error) {
	text, ok := admission.Query(r, "_wait")
	if !ok {
		return 0, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errWait
	}
	return duration.Within(r.Context(), min(time.Duration(seconds)*time.Second, h.o.Hold)), nil
}

var errWait = &middleware.Error{Status: http.StatusBadRequest, Reason: "_wait must be a number of seconds"}

func (h *handler) poll(w http.ResponseWriter, r *http.Request, id middleware.Identity, wait time.Duration) {
	begins := id.Link == 0
	reader := id.Reader
	var topics []session.TopicRequest
	if begins {
		reader = id.Client
		var err error
		if topics, err = admission.Topics(r); err != nil {
			answer.Refuse(w, r, err)
			return
		}
	}
	p := poll{woken: make(chan struct{}, 1), server: h.servers.Of(r)}
	link, err := h.m.Attach(r.Context(), session.Attach{
		ID: id.ID, Asked: id.Asked, Value: id.Value, Reader: reader, Number: id.Link, Position: admission.Position(r),
		Topics: topics, Transport: "poll", RemoteAddr: r.RemoteAddr, Poll: true, Wake: p.wake,
	})
	if err != nil {
		answer.Refuse(w, r, err)
		return
	}

	goesOn := false // so that a panic ends the link
	defer func() {
		if goesOn {
			link.Park(h.o.Pause)
			return
		}
		link.Close()
	}()

	var hello []byte
	if begins {
		id.Grant(w)
		hello = downstream.Hello(id, link, duration.Jitter(h.shared.LinkAge), h.shared.Heartbeat, 0)
		wait = 0
	}
	rc := http.NewResponseController(w)
	if r.ProtoMajor >= 2 { // net/http ends a response whose deadline passes while the handler waits
		_ = rc.SetWriteDeadline(time.Now().Add(wait + h.shared.WriteTimeout))
	}
	if !p.wait(r.Context(), link, wait) {
		goesOn = true // the client has left, and may continue the link
		return
	}

	_ = rc.SetWriteDeadline(time.Now().Add(h.shared.WriteTimeout)) // net/http resets it after the response
	refuse.NotUpgraded(w.Header(), r)
	body := downstream.Append(hello, &p.batch, link.Plain)
	write(w, body)
	link.Wrote(len(body))
	abandoned := begins && r.Context().Err() != nil // the client has left before it got the token of its link
	goesOn = p.batch.End == "" && !abandoned
	p.batch = session.Batch{} // a parked link holds no messages
}

// write writes the response of a poll. If it does not arrive, the client polls for it
// again.
func write(w http.ResponseWriter, body []byte) {
	answer.SetEventStream(w.Header())
	if len(body) > 2<<10 { // net/http states the length of a shorter one itself, at less cost
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body)
}

// poll is one request that carries a link.
type poll struct {
	batch  session.Batch
	woken  chan struct{}
	server *downstream.Server
}

func (p *poll) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// wait takes what the link has, or what it gets within atMost. ok is false if the client
// has left.
func (p *poll) wait(ctx context.Context, link *session.Link, atMost time.Duration) (ok bool) {
	_ = link.Take(ctx, &p.batch) // if the store fails, the next poll tries again
	if !p.batch.Empty() || atMost <= 0 {
		return true
	}

	timer := time.NewTimer(atMost)
	defer timer.Stop()
	down := p.server.Done()

	for p.batch.Empty() {
		select {
		case <-p.woken:
		case <-down:
			downstream.Drain(link)
			down = nil
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
		_ = link.Take(ctx, &p.batch)
	}
	return true
}
