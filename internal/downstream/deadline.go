package downstream

import "time"

// A Deadline sets the write deadline of one connection or response. Setting it costs a
// tenth of a write, so one deadline serves many writes. It is set to one and a half times
// the timeout, and set again when half the timeout has passed. So each write has at least
// the timeout, and at most half as long again. Only the goroutine that writes may use a
// Deadline.
type Deadline struct {
	timeout time.Duration
	set     time.Duration // when, since begun; 0 if none is set
}

// begun is the start of a monotonic clock, which changes of the wall clock do not affect.
var begun = time.Now()

// NewDeadline returns a Deadline that is not set yet.
func NewDeadline(timeout time.Duration) Deadline { return Deadline{timeout: timeout} }

type deadliner interface{ SetWriteDeadline(time.Time) error }

// Extend must be called before each write to c, a net.Conn or http.ResponseController. It
// ignores the error if a deadline cannot be set.
func (d *Deadline) Extend(c deadliner) {
	now := time.Since(begun)
	if d.set != 0 && now-d.set <= d.timeout/2 {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(d.timeout + d.timeout/2))
	d.set = now
}

// Clear removes the deadline after a write. HTTP/2 needs that: it ends a stream whose
// deadline has passed, even an idle one.
func (d *Deadline) Clear(c deadliner) {
	_ = c.SetWriteDeadline(time.Time{})
	d.set = 0
}
