package memory

import (
	"sync/atomic"
	"time"
)

// memClock is the store's clock: the time of day when it started, plus the time since
// then, so that setting the machine's clock has no effect. No two stamps are equal, even
// if the machine's clock stands still, and a time that is read after a stamp is later
// than the stamp.
type memClock struct {
	start time.Time
	last  atomic.Int64 // the last stamp
}

// read returns a time that is later than every stamp so far, and not later than the next.
func (c *memClock) read() int64 {
	return max(c.start.Add(time.Since(c.start)).UnixNano(), c.last.Load()+1)
}

// stamp returns a time that no other stamp has, not earlier than any that was read.
func (c *memClock) stamp() int64 {
	for {
		last := c.last.Load()
		if at := max(c.start.Add(time.Since(c.start)).UnixNano(), last+1); c.last.CompareAndSwap(last, at) {
			return at
		}
	}
}
