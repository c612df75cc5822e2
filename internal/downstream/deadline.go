package downstream

import "time"

// A Deadline sets the write deadline of one connection or response. Setting it costs as
// much as a tenth of a write, so one serves many writes: it is one and a half times the
// timeout away, and set again when half the timeout has passed. Each write so has the
// timeout at least, and half as long again at most. It belongs to whoever writes.
type Deadline struct {
	timeout time.Duration
	set     time.Duration // when, since begun; 0 if none is set
}

// begun is the zero of a clock that no change of the wall clock moves.
var begun = time.Now()

// NewDeadline returns a Deadline that is not set yet.
func NewDeadline(timeout time.Duration) Deadline { return Deadline{timeout: timeout} }

type deadliner interface{ SetWriteDeadline(time.Time) error }

// Extend comes before a write to c, a net.Conn or http.ResponseController. That a
// deadline cannot be set is no error.
func (d *Deadline) Extend(c deadliner) {
	now := time.Since(begun)
	if d.set != 0 && now-d.set <= d.timeout/2 {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(d.timeout + d.timeout/2))
	d.set = now
}

// Clear takes the deadline away after a write. HTTP/2 needs that: it ends a stream whose
// deadline has passed, even an idle one.
func (d *Deadline) Clear(c deadliner) {
	_ = c.SetWriteDeadline(time.Time{})
	d.set = 0
}
