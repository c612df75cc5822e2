package downstream

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/writers"
)

// Response is the Out that works with every http.ResponseWriter that can flush. The
// handler's goroutine stays, because the response ends when it returns. The pool does the
// writing, because waking the handler's goroutine for each message costs more.
type Response struct {
	task     writers.Task
	w        http.ResponseWriter
	rc       *http.ResponseController
	deadline Deadline
	http2    bool
	ended    chan ending
}

// An ending is an event that makes Run return, or that brings it closer.
type ending int

const (
	closed   ending = iota // Close was called, from a drain that may still run
	finished               // no drain runs any more
)

// NewResponse returns an Out over w. Each write must succeed within timeout, or up to
// half as long again.
func NewResponse(pool *writers.Pool, w http.ResponseWriter, r *http.Request, timeout time.Duration) *Response {
	o := &Response{
		w: w, rc: http.NewResponseController(w), deadline: NewDeadline(timeout), http2: r.ProtoMajor >= 2,
		ended: make(chan ending, 2), // each is sent at most once
	}
	o.task.Init(pool, func(bool) { o.ended <- finished })
	// From now on our timeout replaces the server's WriteTimeout. net/http resets it
	// after the response.
	o.deadline.Extend(o.rc)
	return o
}

// Run blocks until Close was called or ctx has ended because the client left, and until
// nothing is being written. Then the handler may return.
func (o *Response) Run(ctx context.Context) {
	last := closed
	select {
	case last = <-o.ended:
	case <-ctx.Done():
	}

	before := o.task.Stop()
	for busy := before == writers.Running || before == writers.Rerun; busy && last != finished; {
		last = <-o.ended
	}
}

// Schedule implements Out.
func (o *Response) Schedule(drain func()) { o.task.Schedule(drain) }

// Write implements Out.
func (o *Response) Write(b []byte) error {
	o.deadline.Extend(o.rc)
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	err := o.rc.Flush()
	if o.http2 {
		o.deadline.Clear(o.rc)
	}
	return err
}

// Close implements Out.
func (o *Response) Close() { o.ended <- closed }
