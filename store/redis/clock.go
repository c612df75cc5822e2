package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// clock is a lower bound of Redis's clock. If a script answered with Redis's time R, and
// the answer arrived at the local time L, then at the local time L' Redis's clock shows
// at least R + (L'-L), less a thousandth of L'-L, because this machine's oscillator may
// be the faster one. The local time is monotonic, so setting the machine's clock changes
// nothing.
//
// In a Cluster each primary has a clock of its own, and signed values may be compared
// with any of them, so the bound is the least of the bounds of all shards. Otherwise only
// the first is used.
type clock struct {
	local func() time.Duration // the local time
	wall  func() time.Time     // the machine's clock, used until Redis has answered

	now atomic.Pointer[int64] // the bound at the local time 0, in nanoseconds; nil until it is known

	mu     sync.Mutex
	bounds [shards]timeBound
}

type timeBound struct {
	base  int64         // the bound at the local time 0, in nanoseconds
	got   time.Duration // the local time when that was learned
	heard int64         // Redis's time in its last answer, in microseconds; 0 without an answer
}

const (
	// boundKept is how long the best bound is used although later ones are lower. Latency
	// can only make them lower. After that the latest one counts, even if it is lower,
	// because meanwhile Redis's clock may have been set back or belong to another
	// machine.
	boundKept = 10 * time.Second
	// answered is the least time from a script's reading of the clock to the arrival of
	// its answer.
	answered = 2 * time.Microsecond
	// unknownAge is how far the time of a Store is behind the machine's clock until Redis
	// has answered. A value that is signed with that time is too old rather than too new.
	unknownAge = 24 * time.Hour
)

func newClock() *clock {
	start := time.Now()
	return &clock{local: func() time.Duration { return time.Since(start) }, wall: time.Now}
}

// passed returns how much time has passed at least when this machine's clock says local.
func passed(local time.Duration) int64 { return int64(local - local/1000) }

// read returns the present bound.
func (c *clock) read() time.Time {
	if base := c.now.Load(); base != nil {
		return time.Unix(0, *base+passed(c.local()))
	}
	return c.wall().Add(-unknownAge)
}

// learn takes in the time that a shard has answered, in microseconds. The question was
// sent at the local time sent.
func (c *clock) learn(shard int, said int64, sent time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	got := c.local()
	base := said*1000 + int64(answered) - passed(got)
	b := &c.bounds[shard]
	// If the question was sent before the present bound was known, the answer may be as
	// old as that bound.
	if b.heard == 0 || base >= b.base || got-b.got > boundKept && sent >= b.got {
		b.base, b.got = base, got
	}
	b.heard = said

	least := b.base
	for i := range c.bounds {
		if o := &c.bounds[i]; o.heard != 0 {
			least = min(least, o.base)
		}
	}
	c.now.Store(&least)
}

// heard returns the time in the last answer of a shard.
func (c *clock) heard(shard int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.UnixMicro(c.bounds[shard].heard)
}

// old reports whether the bound of any shard in use may be worse than a new one.
func (c *clock) old() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.bounds {
		if b := &c.bounds[i]; b.heard != 0 && c.local()-b.got > boundKept {
			return true
		}
	}
	return false
}

// Now implements store.Store. Until Redis has answered for the first time, it returns the
// machine's time less a day.
func (s *Store) Now() time.Time { return s.clock.read() }

// timekeeper returns the shard whose bound is used for a shard.
func (s *Store) timekeeper(shard int) int {
	if s.sharded() {
		return shard
	}
	return 0
}

// timed is run for a script whose second result is Redis's time.
func (s *Store) timed(ctx context.Context, shard int, name string, args ...string) (answer, error) {
	sent := s.clock.local()
	a, err := s.run(ctx, shard, name, args...)
	if said := a.num(1); said > 0 {
		s.clock.learn(s.timekeeper(shard), said, sent)
	}
	return a, err
}

// sample asks Redis for its time; in a Cluster it asks every primary, once for each of
// its shards. It skips those that do not answer in time.
func (s *Store) sample(ctx context.Context) {
	const script = "local t = redis.call('TIME') return t[1] * 1000000 + t[2]"
	ctx, cancel := context.WithTimeout(ctx, min(time.Second, s.o.Timeout/4))
	defer cancel()

	some := s.base[:1]
	if s.sharded() {
		some = s.base[:]
	}

	cmds := make(rueidis.Commands, len(some))
	for i, base := range some {
		cmds[i] = s.client.B().Eval().Script(script).Numkeys(1).Key(base).Build()
	}

	sent := s.clock.local()
	for shard, r := range s.client.DoMulti(ctx, cmds...) {
		if said, err := r.AsInt64(); err == nil {
			s.clock.learn(shard, said, sent)
		}
	}
}

// catchUp waits until Now is later than the shard's last time stamp. That is already so,
// except for primaries of a Cluster that were not asked lately, or whose clocks are
// behind.
func (s *Store) catchUp(ctx context.Context, shard int) {
	stamp := s.clock.heard(s.timekeeper(shard))
	if s.Now().After(stamp) {
		return
	}
	s.sample(ctx)
	for behind := stamp.Sub(s.Now()); behind >= 0; behind = stamp.Sub(s.Now()) {
		select {
		case <-time.After(behind + time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}
