package stream

import (
	"context"
	"net/http"
	"time"
)

// Plain is the way out that works with every http.ResponseWriter that can flush: the handler's goroutine stays and does the writing.
type Plain struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	clear   bool // HTTP/2 ends a stream whose deadline has passed, be it idle
	armed   time.Time
	kicks   chan func()
	over    bool // set by drain functions, which run in Run
}

// NewPlain returns a way out over w. Each write must succeed within timeout, or half as long again.
func NewPlain(w http.ResponseWriter, r *http.Request, timeout time.Duration) *Plain {
	p := &Plain{w: w, rc: http.NewResponseController(w), timeout: timeout, clear: r.ProtoMajor >= 2, kicks: make(chan func(), 1)}
	p.arm(time.Now())
	return p
}

// Run runs what is kicked until Close, or until ctx ends because the client left.
func (p *Plain) Run(ctx context.Context) {
	for !p.over {
		select {
		case drain := <-p.kicks:
			drain()
		case <-ctx.Done():
			return
		}
	}
}

// Kick implements Out.
func (p *Plain) Kick(drain func()) {
	select {
	case p.kicks <- drain:
	default: // one is waiting
	}
}

// Write implements Out. Setting a deadline costs as much as a tenth of a write, so one serves many writes.
func (p *Plain) Write(b []byte) error {
	if p.clear || time.Since(p.armed) > p.timeout/2 {
		p.arm(time.Now())
	}
	if _, err := p.w.Write(b); err != nil {
		return err
	}
	err := p.rc.Flush()
	if p.clear {
		_ = p.rc.SetWriteDeadline(time.Time{})
	}
	return err
}

func (p *Plain) arm(now time.Time) {
	_ = p.rc.SetWriteDeadline(now.Add(p.timeout + p.timeout/2)) // the server's WriteTimeout gives way to it; net/http lifts it after the response
	p.armed = now
}

// Close implements Out.
func (p *Plain) Close() { p.over = true }

// CanFlush tells whether a response through w can be a stream. It looks for the method and does not call it, because a flush sends the head.
func CanFlush(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
}
