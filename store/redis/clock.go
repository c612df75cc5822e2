package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// clock is a lower bound of Redis's clock. A script that answered with its time R,
// received at the local time L, says that at the local time L' it is at least R + (L'-L):
// less a thousandth, because this machine's oscillator may be the faster one. The local
// time is monotonic, so that setting the machine's clock changes nothing.
//
// In a Cluster each primary has a clock of its own, and what is signed may be compared
// with any of them: the bound is the least of those of all shards. Otherwise only the
// first is used.
type clock struct {
	local func() time.Duration // monotonic
	wall  func() time.Time     // before Redis has answered for the first time

	now atomic.Pointer[int64] // the bound at the local time 0, in nanoseconds; nil until it is known

	mu     sync.Mutex
	bounds [shards]timeBound
}

type timeBound struct {
	base  int64         // what the clock showed at least at the local time 0
	got   time.Duration // when that was learned
	heard int64         // the time that Redis said last, in microseconds; 0 if it never has
}

const (
	// boundKept is for how long the best bound is used, although others are lower:
	// latency only ever makes them lower. After that the latest one counts, whatever it
	// is, because Redis's clock may have been set back or belong to another machine by
	// now.
	boundKept = 10 * time.Second
	// answered is how long it takes at least from a script's look at the clock until its
	// answer is here.
	answered = 2 * time.Microsecond
	// unknownAge is how far the time of a Store is behind the machine's clock until Redis
	// has answered: what is signed with it is old, rather than too new.
	unknownAge = 24 * time.Hour
)

func newClock() *clock {
	start := time.Now()
	return &clock{local: func() time.Duration { return time.Since(start) }, wall: time.Now}
}

// passed is how far a clock has come at least while this machine's has come so far.
func passed(local time.Duration) int64 { return int64(local - local/1000) }

// read is the bound of now.
func (c *clock) read() time.Time {
	if base := c.now.Load(); base != nil {
		return time.Unix(0, *base+passed(c.local()))
	}
	return c.wall().Add(-unknownAge)
}

// learn takes what a shard said: its time in microseconds. The question was asked at the
// local time sent.
func (c *clock) learn(shard int, said int64, sent time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()

	got := c.local()
	base := said*1000 + int64(answered) - passed(got)
	b := &c.bounds[shard]
	// One that was asked for before the present bound was known may be as old as that.
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

// heard is the time that a shard said last.
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

// Now implements store.Store. Until Redis has answered for the first time, it is the
// machine's clock less a day.
func (s *Store) Now() time.Time { return s.clock.read() }

// timekeeper is the shard in whose place a shard's clock is kept.
func (s *Store) timekeeper(shard int) int {
	if s.sharded() {
		return shard
	}
	return 0
}

// timed is run for a script whose second answer is Redis's time.
func (s *Store) timed(ctx context.Context, shard int, name string, args ...string) (answer, error) {
	sent := s.clock.local()
	a, err := s.run(ctx, shard, name, args...)
	if said := a.num(1); said > 0 {
		s.clock.learn(s.timekeeper(shard), said, sent)
	}
	return a, err
}

// sample asks what time it is: every primary of a Cluster, by each of its shards. What
// does not answer in time is left out.
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

// catchUp waits until Now is later than what the shard has stamped. It is already, but
// for primaries of a Cluster that were not asked lately, or whose clocks are behind.
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
