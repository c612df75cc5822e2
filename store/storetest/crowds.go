package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/session"
)

var crowds = []clause{
	{"D1 a thousand goroutines at a hundred sessions: every chain holds", func(e *env) { newCrowd(e).run() }},
	{"D1 append, read and acknowledge are atomic steps", linearizable},
}

// crowd is many clients and senders of sessions that are moved and ended under them.
type crowd struct {
	e    *env
	ops  int // per goroutine
	now  [100]atomic.Pointer[string]
	said sync.Map // place → text: what the store said is there
	gaps atomic.Int64
	got  atomic.Int64
}

func newCrowd(e *env) *crowd {
	c := &crowd{e: e, ops: 20}
	if e.bubble {
		c.ops = 100
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

// session returns the i-th session as it is called now; it is made where it is missing.
func (c *crowd) session(i int) session.Log {
	l, _, err := c.e.store.Open(ctx, *c.now[i].Load(), true, bounds(messages(8), func(b *session.Bounds) {
		if i%2 == 0 {
			b.Overflow = session.DropOldest
		}
	}))
	if err != nil {
		c.e.Errorf("Open: %v", err)
	}
	return l
}

// breathe lets others go on.
func (c *crowd) breathe() {
	if c.e.bubble && rand.IntN(2) == 0 {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond)
		return
	}
	runtime.Gosched()
}

// over tells whether err says that the session is not there any more, and complains of anything else.
func (c *crowd) over(what string, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, session.ErrNotFound), errors.Is(err, session.ErrMoved), errors.Is(err, session.ErrRevoked):
	default:
		c.e.Errorf("%s: %v", what, err)
	}
	return true
}

// send appends numbered messages.
func (c *crowd) send(i, n int) {
	for op := range c.ops {
		c.breathe()
		s := fmt.Sprintf("%d.%d.%d", i, n, op)
		p, err := c.session(i).Append(ctx, text(s), "")
		if errors.Is(err, session.ErrFull) || c.over("Append", err) {
			continue
		}
		if before, twice := c.said.Swap(place{p.Epoch, p.Seq}, s); twice && before != s {
			c.e.Errorf("%x-%d was given to %q and to %q", p.Epoch, p.Seq, before, s)
		}
	}
}

// listen is one client: it takes what comes, acknowledges some of it, and begins new links at any time, often before the old one has ended.
func (c *crowd) listen(i, n int) {
	name := fmt.Sprint("r", n)
	var has session.Position
	var old []func()
	left := 2 * c.ops // reads
	for left > 0 {
		c.breathe()
		l := c.session(i)
		claim := session.Claim{Reader: name, Plain: n == 0}
		if has.Epoch != 0 {
			claim.Given, claim.Position = session.Presented, has
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

// hear reads on one link until it or the session is over, or the mood changes.
func (c *crowd) hear(l session.Log, a session.Attached, has *session.Position, left *int) {
	last := map[int]int{} // sender → its last number
	var dst []session.Entry
	for n := 1 + rand.IntN(20); n > 0 && *left > 0; n-- {
		*left--
		c.breathe()
		entries, tail, err := l.Read(ctx, a.Link, has.Seq, 200+rand.IntN(2000), dst[:0])
		if errors.Is(err, session.ErrSuperseded) || c.over("Read", err) {
			return
		}
		dst = entries
		if tail.Epoch != has.Epoch {
			c.e.Errorf("epoch %x on a link of %x", tail.Epoch, has.Epoch)
		}
		if g := tail.Gap; g != (session.Lost{}) {
			c.gaps.Add(1)
			if g.From != has.Seq+1 || g.To < g.From {
				c.e.Errorf("gap %v after %d", g, has.Seq)
			}
			*has = session.Position{Epoch: tail.Epoch, Seq: g.To}
		}
		for _, entry := range entries {
			c.got.Add(1)
			if entry.Seq != has.Seq+1 {
				c.e.Errorf("%d after %d", entry.Seq, has.Seq)
			}
			*has = session.Position{Epoch: tail.Epoch, Seq: entry.Seq, Tag: entry.Tag}
			c.compare(*has, string(entry.Message.Data), last)
		}
		if rand.IntN(2) == 0 {
			if err := l.Ack(ctx, a.Link, *has); c.over("Ack", err) {
				return
			}
		}
	}
}

// compare checks one message against what everybody else was told of its place, and against its sender's order.
func (c *crowd) compare(p session.Position, s string, last map[int]int) {
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
		for range 20 {
			c.breathe()
		}
		id := *c.now[i].Load()
		switch rand.IntN(4) {
		case 0:
			_, err := c.e.store.End(ctx, id, 0)
			c.over("End", err)
		case 1:
			_, _, err := c.session(i).Quit(ctx, "r1")
			c.over("Quit", err)
		default:
			to := fmt.Sprintf("s%d.%d", i, n+1)
			if err := c.e.store.Move(ctx, id, to, "", 0); err != nil {
				c.e.Errorf("Move: %v", err)
			}
			c.now[i].Store(&to)
		}
	}
}

// What follows checks small histories of concurrent calls: there must be an order of them, one after another, that agrees with what each
// call returned and with which of them had returned before another began (Herlihy and Wing; the search is Wing and Gong's).

type call struct {
	begun, done int64
	what        string // "append", "ack", "read"
	arg         uint64 // of ack and read: the seq

	ok         bool
	seq        uint64   // append: the place
	gap, acked uint64   // read
	texts      []string // read: from gap+1 on, or after arg
	text       string
}

func (c call) String() string {
	return fmt.Sprintf("[%d,%d] %s(%d%s) = %v, seq %d, gap to %d, acked %d, %q", c.begun, c.done, c.what, c.arg, c.text, c.ok, c.seq, c.gap, c.acked, c.texts)
}

const smallLog = 3

// smallState is a log with one reader that has a link.
type smallState struct {
	all   []string
	acked uint64
	floor uint64 // it is at least this
}

// step tells whether the call could have returned what it did in this state, and what the state is then.
func (s smallState) step(c call) (smallState, bool) {
	top := uint64(len(s.all))
	switch c.what {
	case "append":
		if fits := top-s.acked < smallLog; c.ok != fits || c.ok && c.seq != top+1 {
			return s, false
		}
		if c.ok {
			s.all = append(s.all[:top:top], c.text)
		}
	case "ack":
		if c.ok != (c.arg <= top) {
			return s, false
		}
		if c.ok {
			s.acked = max(s.acked, c.arg)
		}
	case "read":
		if c.acked != s.acked || c.gap > s.acked || c.gap == 0 && max(c.arg, s.acked)+1 < s.floor {
			return s, false
		}
		s.floor = max(s.floor, c.gap+1)
		from := max(c.arg, c.gap, s.acked)
		if uint64(len(c.texts)) != top-min(top, from) {
			return s, false
		}
		for i, t := range c.texts {
			if t != s.all[from+uint64(i)] {
				return s, false
			}
		}
	}
	return s, true
}

// explains tells whether the calls that are left can follow.
func (s smallState) explains(calls []call) bool {
	if len(calls) == 0 {
		return true
	}
	first := calls[0].done
	for _, c := range calls {
		first = min(first, c.done)
	}
	for i, c := range calls {
		if c.begun > first { // another one had returned before
			continue
		}
		if next, ok := s.step(c); ok {
			rest := append(append([]call(nil), calls[:i]...), calls[i+1:]...)
			if next.explains(rest) {
				return true
			}
		}
	}
	return false
}

func linearizable(e *env) {
	rounds := 20
	if e.bubble {
		rounds = 500
	}
	for round := range rounds {
		l := e.openLog(fmt.Sprint("h", round), messages(smallLog))
		k := l.attach("r")
		var clock atomic.Int64
		var mu sync.Mutex
		var calls []call
		var wg sync.WaitGroup
		start := make(chan struct{})
		for g := range 4 {
			mine := make([]call, 3)
			for i := range mine {
				mine[i] = call{what: []string{"append", "append", "ack", "read"}[rand.IntN(4)], arg: rand.Uint64N(5)}
			}
			wg.Go(func() {
				<-start
				for i := range mine {
					c := &mine[i]
					c.begun = clock.Add(1)
					c.perform(e, l, k, fmt.Sprintf(" %d.%d", g, i))
					c.done = clock.Add(1)
				}
				mu.Lock()
				calls = append(calls, mine...)
				mu.Unlock()
			})
		}
		close(start)
		wg.Wait()
		if !(smallState{floor: 1}).explains(calls) {
			e.Errorf("no order of these calls explains what they returned:")
			for _, c := range calls {
				e.Log(c)
			}
			return
		}
		e.end(l.id)
	}
}

func (c *call) perform(e *env, l *log, k *link, s string) {
	switch c.what {
	case "append":
		p, err := l.Append(ctx, text(s), "")
		c.ok, c.seq, c.text = err == nil, p.Seq, s
		if err != nil && !errors.Is(err, session.ErrFull) {
			e.Errorf("Append: %v", err)
		}
	case "ack":
		err := l.Ack(ctx, k.Link, e.at(k.Position, c.arg))
		c.ok = err == nil
		if err != nil && !errors.Is(err, session.ErrAhead) {
			e.Errorf("Ack: %v", err)
		}
	case "read":
		entries, tail, err := l.Read(ctx, k.Link, c.arg, 1<<20, nil)
		if err != nil {
			e.Errorf("Read: %v", err)
		}
		c.ok, c.gap, c.acked = true, tail.Gap.To, tail.Acked
		for _, entry := range entries {
			c.texts = append(c.texts, string(entry.Message.Data))
		}
	}
}
