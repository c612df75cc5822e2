package session

import (
	"sync/atomic"
	"time"
)

// A lag measures how long a message waits from when it is appended until a client has
// acknowledged it. It follows one message at a time, so it costs a session two words and
// a busy log nothing. The zero lag follows none.
type lag struct {
	began atomic.Int64  // when the message was appended, on the Manager's clock; 0 for none
	seq   atomic.Uint64 // its number; 0 until it is known
}

// follow begins with a message if none is being followed.
func (g *lag) follow(began int64, seq uint64) {
	if g.began.Load() == 0 && g.began.CompareAndSwap(0, began) {
		g.seq.Store(seq)
	}
}

// measure returns how long the message has waited if it is acknowledged with seq.
// Otherwise it returns 0.
func (g *lag) measure(now int64, seq uint64) time.Duration {
	of := g.seq.Load()
	if of == 0 || of > seq || !g.seq.CompareAndSwap(of, 0) {
		return 0
	}
	return time.Duration(now - g.began.Swap(0))
}
