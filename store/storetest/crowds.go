package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

var crowds = []clause{
	{"D1 a thousand goroutines at a hundred sessions: every chain holds", func(e *env) { newCrowd(e).run() }},
	{"D1 append, read and acknowledge are atomic steps", linearizable},
}

// crowd runs many clients and senders on sessions that are moved and ended meanwhile.
type crowd struct {
	e    *env
	ops  int       // per goroutine
	till time.Time // a slow store does fewer operations, if time is real
	now  [100]atomic.Pointer[string]
	said sync.Map // place → the text that the store returned for it
	gaps atomic.Int64
	got  atomic.Int64
}

func newCrowd(e *env) *crowd {
	c := &crowd{e: e, ops: 20, till: time.Now().Add(10 * time.Second)}
	if e.bubble {
		c.ops, c.till = 100, time.Now().Add(time.Hour)
	}
	for i := range c.now {
		id := fmt.Sprint("s", i, ".0")
		c.now[i].Store(&id)
	}
	return c
}

func (c *crowd) run() {
	var wg sync.WaitGroup
	for i := range c.now {
		for n := range 3 {
			wg.Go(func() { c.send(i, n) })
		}
		for n := range 6 {
			wg.Go(func() { c.listen(i, n) })
		}
		wg.Go(func() { c.disturb(i) })
	}

	wg.Wait()
	if c.got.Load() == 0 {
		c.e.Error("nobody got anything")
	}
	c.e.Logf("%d messages came, %d gaps were told", c.got.Load(), c.gaps.Load())
}

// session returns the i-th session by its current id, and makes it if it is missing.
func (c *crowd) session(i int) store.Log {
	l, _, err := c.e.store.Open(ctx, *c.now[i].Load(), store.Asked{}, true, bounds(messages(8), func(b *store.Bounds) {
		if i%2 == 0 {
			b.Overflow = store.OverflowDropOldest
		}
	}))
	if err != nil {
		c.e.Errorf("Open: %v", err)
		runtime.Goexit()
	}
	return l
}

func (c *crowd) late() bool { return time.Now().After(c.till) }

// breathe lets other goroutines run.
func (c *crowd) breathe() {
	if c.e.bubble && rand.IntN(2) == 0 {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond)
		return
	}
	runtime.Gosched()
}

// over reports whether err means that the session has ended. Any other error fails the
// test.
func (c *crowd) over(what string, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrMoved), errors.Is(err, store.ErrRevoked):
	default:
		c.e.Errorf("%s: %v", what, err)
	}
	return true
}

// send appends numbered messages.
func (c *crowd) send(i, n int) {
	for op := range c.ops {
		if c.late() {
			return
		}
		c.breathe()

		s := fmt.Sprintf("%d.%d.%d", i, n, op)
		p, err := c.session(i).Append(ctx, text(s), "")
		if errors.Is(err, store.ErrFull) || c.over("Append", err) {
			continue
		}
		if before, twice := c.said.Swap(place{p.Epoch, p.Seq}, s); twice && before != s {
			c.e.Errorf("%x-%d was given to %q and to %q", p.Epoch, p.Seq, before, s)
		}
	}
}

// listen is one client: it reads, acknowledges some of what it gets, and begins new links
// at any time, often before the old one has ended.
func (c *crowd) listen(i, n int) {
	name := fmt.Sprint("r", n)
	var has store.Position
	var old []func()
	left := 2 * c.ops // reads
	for left > 0 {
		if c.late() {
			left = 0
		}
		c.breathe()
		l := c.session(i)

		claim := store.Claim{Reader: name, Plain: n == 0}
		if has.Epoch != 0 {
			claim.Given, claim.Position = store.GivenPresented, has
		}
		a, err := l.Attach(ctx, claim)
		if c.over("Attach", err) {
			continue
		}

		if a.Resumed && a.Position != has {
			c.e.Errorf("resumed at %v; the client was at %v", a.Position, has)
		}
		has = a.Position
		c.hear(l, a, &has, &left)

		old = append(old, func() {
			_, err := l.Detach(ctx, a.Link)
			c.over("Detach", err)
		})
		for len(old) > 0 && (rand.IntN(2) == 0 || left <= 0) {
			old[0]()
			old = old[1:]
		}
	}
}

// hear reads on one link until the link or the session ends, or it gives up at random.
func (c *crowd) hear(l store.Log, a store.Attached, has *store.Position, left *int) {
	last := map[int]int{} // sender → its last number
	var dst []store.Entry

	for n := 1 + rand.IntN(20); n > 0 && *left > 0; n-- {
		if c.late() {
			*left = 0
		}
		*left--
		c.breathe()

		entries, tail, err := l.Read(ctx, a.Link, has.Seq, 200+rand.IntN(2000), dst[:0])
		if errors.Is(err, store.ErrSuperseded) || errors.Is(err, store.ErrRenewed) || c.over("Read", err) {
			return // or its reader has quit
		}
		dst = entries
		if tail.Epoch != has.Epoch {
			c.e.Errorf("epoch %x on a link of %x", tail.Epoch, has.Epoch)
		}

		if g := tail.Gap; g != (store.Lost{}) {
			c.gaps.Add(1)
			if g.From != has.Seq+1 || g.To < g.From {
				c.e.Errorf("gap %v after %d", g, has.Seq)
			}
			*has = store.Position{Epoch: tail.Epoch, Seq: g.To, Tag: tail.Tag}
		}

		for _, entry := range entries {
			c.got.Add(1)
			if entry.Seq != has.Seq+1 {
				c.e.Errorf("%d after %d", entry.Seq, has.Seq)
			}
			*has = store.Position{Epoch: tail.Epoch, Seq: entry.Seq, Tag: entry.Tag}
			c.compare(*has, string(entry.Message.Data), last)
		}

		if rand.IntN(2) == 0 {
			if err := l.Ack(ctx, a.Link, *has); c.over("Ack", err) {
				return
			}
		}
	}
}

// compare checks one message against what all other clients got at its place, and against
// its sender's order.
func (c *crowd) compare(p store.Position, s string, last map[int]int) {
	if was, _ := c.said.LoadOrStore(place{p.Epoch, p.Seq}, s); was != s {
		c.e.Errorf("%x-%d is %q, and was %q", p.Epoch, p.Seq, s, was)
	}
	var i, n, op int
	if _, err := fmt.Sscanf(s, "%d.%d.%d", &i, &n, &op); err != nil {
		c.e.Errorf("%q was never sent", s)
	}
	if before, ok := last[n]; ok && op <= before {
		c.e.Errorf("sender %d: %d after %d", n, op, before)
	}
	last[n] = op
}

// disturb moves and ends the session.
func (c *crowd) disturb(i int) {
	for n := range c.ops / 20 {
		if c.late() {
			return
		}
		for range 20 {
			c.breathe()
		}

		id := *c.now[i].Load()
		switch rand.IntN(4) {
		case 0:
			_, err := c.e.store.End(ctx, id, 0)
			c.over("End", err)
		case 1:
			_, _, err := c.session(i).Quit(ctx, store.LinkRef{Reader: "r1"})
			c.over("Quit", err)
		default:
			to := fmt.Sprintf("s%d.%d", i, n+1)
			if _, err := c.e.store.Move(ctx, id, to, store.Moving{}); err != nil {
				c.e.Errorf("Move: %v", err)
			}
			c.now[i].Store(&to)
		}
	}
}
