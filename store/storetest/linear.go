package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// The following checks that small histories of concurrent calls are linearizable: there
// must be a sequence of the calls that agrees with what each call returned, and with
// which of them had returned before another began (Herlihy and Wing). The search is Wing
// and Gong's.

type call struct {
	begun, done int64
	what        string // "append", "ack", "read"
	arg         uint64 // for ack and read: the seq

	ok         bool
	seq        uint64   // append: the place
	gap, acked uint64   // read
	texts      []string // read: from gap+1 on, or after arg
	text       string
}

func (c call) String() string {
	return fmt.Sprintf("[%d,%d] %s(%d%s) = %v, seq %d, gap to %d, acked %d, %q",
		c.begun, c.done, c.what, c.arg, c.text, c.ok, c.seq, c.gap, c.acked, c.texts)
}

const smallLog = 3

// smallState is a log with one reader that has a link.
type smallState struct {
	all   []string
	acked uint64
	floor uint64 // the oldest entry is this one or a later one
}

// step reports whether the call could have returned what it did in this state, and
// returns the state after it.
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

// explains reports whether the remaining calls can follow.
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
		if err != nil && !errors.Is(err, store.ErrFull) {
			e.Errorf("Append: %v", err)
		}
	case "ack":
		err := l.Ack(ctx, k.Link, e.at(k.Position, c.arg))
		c.ok = err == nil
		if err != nil && !errors.Is(err, store.ErrAhead) {
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
