package session

import (
	"sync"
	"time"
)

// A bucket is a token bucket: it fills by rate tokens a second up to burst,
// and starts full.
type bucket struct {
	mu   sync.Mutex
	used float64 // tokens that are missing from a full bucket
	at   int64   // when used was computed
}

// take takes one token if there is one at now, in nanoseconds. Otherwise it returns how
// long until there is one.
func (b *bucket) take(now int64, rate, burst int) time.Duration {
	if rate < 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = max(0, b.used-time.Duration(now-b.at).Seconds()*float64(rate))
	b.at = now
	if over := b.used + 1 - float64(burst); over > 0 {
		return time.Duration(over / float64(rate) * float64(time.Second))
	}
	b.used++
	return 0
}

// full returns how long after now the bucket will be full.
func (b *bucket) full(now int64, rate int) time.Duration {
	if rate < 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, time.Duration(b.used/float64(rate)*float64(time.Second))-time.Duration(now-b.at))
}

// inherit copies the state of o to b.
func (b *bucket) inherit(o *bucket) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used, b.at = o.used, o.at
}
