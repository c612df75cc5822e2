package memory

import (
	"sync/atomic"
	"time"
)

// memClock is the memory's clock: the time of day at its start and what has passed since,
// so that setting the machine's clock changes nothing. Stamps differ, even where the
// machine's clock stands still, and what is read after a stamp is later than it.
type memClock struct {
	start time.Time
	last  atomic.Int64 // the last stamp
}

// read is later than every stamp, and never later than the next one.
func (c *memClock) read() int64 {
	return max(c.start.Add(time.Since(c.start)).UnixNano(), c.last.Load()+1)
}

// stamp is a time of its own, not before anything that was read.
func (c *memClock) stamp() int64 {
	for {
		last := c.last.Load()
		if at := max(c.start.Add(time.Since(c.start)).UnixNano(), last+1); c.last.CompareAndSwap(last, at) {
			return at
		}
	}
}
