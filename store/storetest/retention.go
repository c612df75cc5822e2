package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// expired calls Expired until something has expired.
func (e *env) expired() (all []store.Ended) {
	e.Helper()
	e.soon("a session expires", func() bool {
		all = append(all, e.due(100)...)
		return len(all) > 0
	})
	return all
}

func (e *env) due(max int) []store.Ended {
	e.Helper()
	due, err := e.store.Expired(ctx, max)
	if err != nil || due.Next < 0 || len(due.Ended) > max || len(due.Left) > 0 {
		e.Fatalf("Expired(%d) = %+v, %v", max, due, err)
	}
	return due.Ended
}

var retention = []clause{
	{"D6 a session without links ends after its retention, with what nobody has", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k := l.attach("r")
		p := l.add("a", "b", "c")
		k.read()
		k.acks(e.at(p, 1))
		k.detach()
		equal(e, "ended at once", len(e.due(10)), 0)
		ended := e.expired()
		equal(e, "sessions ended", len(ended), 1)
		equal(e, "id", ended[0].ID, "a")
		equal(e, "epoch", ended[0].Epoch, p.Epoch)
		equal(e, "what nobody has", undelivered(ended[0]), "2:b 3:c")
		e.missing("a")
		k.over(store.ErrNotFound)
		_, err := l.Append(ctx, text("x"), "")
		e.is("Append", err, store.ErrNotFound)
	}},
	{"D6 a session that nobody ever attached to ends, too", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		l.add("a")
		equal(e, "what nobody has", undelivered(e.expired()[0]), "1:a")
	}},
	{"D6 messages do not keep a session", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		var ended []store.Ended
		e.soon("it expires", func() bool {
			_, _ = l.Append(ctx, text("x"), "")
			ended = append(ended, e.due(1)...)
			return len(ended) > 0
		})
	}},
	{"D6 a session with a link lives, however quiet", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k := l.attach("r")
		e.pass(4*e.brief(), func() { k.reads("") })
		equal(e, "sessions ended", len(e.due(10)), 0)
		l.add("a")
		k.reads("1:a")
	}},
	{"D6 the retention begins with the last link's end", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		a, b := l.attach("a"), l.attach("b")
		a.detach()
		e.pass(2*e.brief(), func() { b.read() })
		equal(e, "ended while b was here", len(e.due(10)), 0)
		b.detach()
		equal(e, "ended at once", len(e.due(10)), 0)
		equal(e, "ended", len(e.expired()), 1)
	}},
	{"D6 a client that comes back in time finds everything", func(e *env) {
		l := e.openLog("a", keptFor(3*e.brief()))
		k := l.attach("r")
		l.add("a")
		for range 5 {
			k.detach()
			e.pass(e.brief(), nil)
			k = l.attach("r")
			equal(e, "forgotten", k.Fresh, false)
			k.reads("1:a")
		}
		equal(e, "ended", len(e.due(10)), 0)
	}},
	{"D6 the end of a session ends its readers and writers, not its id", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k := l.attach("r")
		p := l.add("a")
		l.deliver("w", 1, 3)
		k.detach()
		e.expired()
		l = e.openLog("a")
		k = l.resume("r", p).says("expired at 0, lost 2-?")
		equal(e, "forgotten", k.Fresh, true)
		l.begins("w", 1, 1, store.TurnDeliver, 0)
	}},
	{"D6 next is how long until the next session expires", func(e *env) {
		due, err := e.store.Expired(ctx, 10)
		if err != nil || due.Next != 0 {
			e.Fatalf("without a session: next %v, %v", due.Next, err)
		}
		l := e.openLog("a", keptFor(time.Hour))
		due, err = e.store.Expired(ctx, 10)
		if err != nil || due.Next > time.Hour || due.Next < 50*time.Minute {
			e.Fatalf("with a session that has an hour: next %v, %v", due.Next, err)
		}
		k := l.attach("r")
		_, err = e.store.Expired(ctx, 10) // a store may not know yet that it has a link
		e.is("Expired", err, nil)
		left := k.detach()
		due, err = e.store.Expired(ctx, 10)
		// It is earlier if another caller may have to report the departure.
		if err != nil || due.Next > time.Hour || due.Next <= 0 {
			e.Fatalf("with a session that has an hour: next %v, %v", due.Next, err)
		}
		l.leaves("r", left)
		due, err = e.store.Expired(ctx, 10)
		if err != nil || due.Next > time.Hour || due.Next < 50*time.Minute {
			e.Fatalf("with a session that has an hour: next %v, %v", due.Next, err)
		}
	}},
	{"D6 Expired ends at most so many", func(e *env) {
		for i := range 5 {
			e.openLog(fmt.Sprint("a", i), keptFor(e.brief()))
		}
		e.pass(2*e.brief(), nil)
		seen := map[string]bool{}
		for _, max := range []int{1, 3, 3} {
			for _, over := range e.due(max) {
				seen[over.ID] = true
			}
		}
		equal(e, "sessions ended", len(seen), 5)
		due, err := e.store.Expired(ctx, 3)
		if err != nil || due.Next != 0 {
			e.Errorf("when none is left: next %v, %v", due.Next, err)
		}
	}},
	{"D6 each session that expires is claimed by one caller", func(e *env) {
		const sessions, callers = 100, 8
		for i := range sessions {
			e.openLog(fmt.Sprint("s", i), keptFor(e.brief())).add("x")
		}
		e.pass(2*e.brief(), nil)
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for {
					due, err := e.store.Expired(ctx, 3)
					ended := due.Ended
					if err != nil {
						e.Errorf("Expired: %v", err)
					}
					if len(ended) == 0 {
						return
					}
					mu.Lock()
					for _, over := range ended {
						got = append(got, over.ID)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		equal(e, "claims", len(got), sessions)
		equal(e, "sessions claimed", len(slices.Compact(got)), sessions)
	}},
	{"D6 End gives what is above the mark to one caller", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a", "b")
		l.addTo("r", "c")
		k.read()
		k.acks(e.at(k.last, 1))
		equal(e, "what nobody has", undelivered(e.end("a")), "2:b 3:c")
		_, err := e.store.End(ctx, "a", 0)
		e.is("a second End", err, store.ErrNotFound)
	}}, {"D6 of everyone who ends a session one is told what was in it", func(e *env) {
		for round := range 20 {
			id := fmt.Sprint("a", round)
			l := e.openLog(id, keptFor(1))
			l.attach("r").detach()
			l.add("x")
			e.pass(time.Millisecond, nil)
			var told atomic.Int64
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					var over bool
					var err error
					switch i % 3 {
					case 0:
						_, err = e.store.End(ctx, id, 0)
						over = err == nil
					case 1:
						var ended *store.Ended
						_, ended, err = l.Quit(ctx, store.LinkRef{Reader: "r"})
						over = ended != nil
					case 2:
						var due store.Due
						due, err = e.store.Expired(ctx, 10)
						over = len(due.Ended) > 0
					}
					if over {
						told.Add(1)
					}
					if err != nil && !errors.Is(err, store.ErrNotFound) {
						e.Errorf("ending: %v", err)
					}
				})
			}
			wg.Wait()
			equal(e, "times told", told.Load(), 1)
		}
	}},
}
