package downstream

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/writers"
)

// Response is the way out that works with every http.ResponseWriter that can flush. The
// handler's goroutine stays, because the response ends with it, but the pool does the
// writing: waking that goroutine for each message costs more.
type Response struct {
	task     writers.Task
	w        http.ResponseWriter
	rc       *http.ResponseController
	deadline Deadline
	http2    bool
	ended    chan ending
}

// An ending is what lets Run return, or is one step towards it.
type ending int

const (
	closed   ending = iota // Close was called, from a drain that may still run
	finished               // nothing runs any more
)

// NewResponse returns a way out over w. Each write must succeed within timeout, or half
// as long again.
func NewResponse(pool *writers.Pool, w http.ResponseWriter, r *http.Request, timeout time.Duration) *Response {
	o := &Response{
		w: w, rc: http.NewResponseController(w), deadline: NewDeadline(timeout), http2: r.ProtoMajor >= 2,
		ended: make(chan ending, 2), // each once
	}
	o.task.Init(pool, func(bool) { o.ended <- finished })
	// From now on the server's WriteTimeout gives way to ours. net/http lifts it after
	// the response.
	o.deadline.Extend(o.rc)
	return o
}

// Run returns when Close was called, or ctx has ended because the client left, and
// nothing is being written: then the handler may return.
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
