package downstream

import (
	"context"
	"net/http"
	"time"
)

// Plain is the way out that works with every http.ResponseWriter that can flush: the handler's goroutine stays, because the response ends with it, and
// Writers do the writing, because to wake that goroutine for each message costs more.
type Plain struct {
	Kicks
	w       http.ResponseWriter
	rc      *http.ResponseController
	timeout time.Duration
	clear   bool // HTTP/2 ends a stream whose deadline has passed, be it idle
	armed   time.Time
	ended   chan bool // Close says false; true that nothing writes any more
}

// Plain returns a way out over w. Each write must succeed within timeout, or half as long again.
func (ws *Writers) Plain(w http.ResponseWriter, r *http.Request, timeout time.Duration) *Plain {
	p := &Plain{w: w, rc: http.NewResponseController(w), timeout: timeout, clear: r.ProtoMajor >= 2, ended: make(chan bool, 2)}
	p.writers, p.stopped = ws, func() { p.ended <- true }
	p.arm(time.Now())
	return p
}

// Run returns when Close was called, or ctx has ended because the client left, and nothing is being written: then the handler may return.
func (p *Plain) Run(ctx context.Context) {
	quiet := false
	select {
	case quiet = <-p.ended:
	case <-ctx.Done():
	}
	before := p.stop()
	for busy := before == running || before == again; busy && !quiet; {
		quiet = <-p.ended
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
func (p *Plain) Close() { p.ended <- false }
