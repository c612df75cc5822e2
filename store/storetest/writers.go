package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

const lease = time.Hour

// begins fails the test unless Begin returns that.
func (l *log) begins(writer string, base, n uint64, want store.Turn, last uint64) {
	l.e.Helper()
	t, got, err := l.Begin(ctx, store.LinkRef{}, writer, base, n, lease)
	if err != nil || t != want || got != last {
		l.e.Fatalf("Begin(%q, base %d, %d) = %s, last %d, %v; want %s, last %d",
			writer, base, n, turn(t), got, err, turn(want), last)
	}
}

func (l *log) commits(writer string, n uint64, handled bool) {
	l.e.Helper()
	if err := l.Commit(ctx, writer, n, handled); err != nil {
		l.e.Fatalf("Commit(%q, %d): %v", writer, n, err)
	}
}

// deliver lets the messages of a writer from first to last be handled.
func (l *log) deliver(writer string, first, last uint64) {
	l.e.Helper()
	for n := first; n <= last; n++ {
		l.begins(writer, first, n, store.TurnDeliver, n-1)
		l.commits(writer, n, true)
	}
}

func turn(t store.Turn) string {
	switch t {
	case store.TurnDeliver:
		return "deliver"
	case store.TurnAgain:
		return "again"
	case store.TurnDone:
		return "done"
	case store.TurnBusy:
		return "busy"
	case store.TurnEarly:
		return "early"
	}
	return fmt.Sprint("turn ", uint8(t))
}

var upstream = []clause{
	{"U1 known is done, next is delivered, ahead is early", func(e *env) {
		l := e.openLog("a")
		l.deliver("w", 1, 3)
		l.begins("w", 1, 1, store.TurnDone, 3)
		l.begins("w", 1, 3, store.TurnDone, 3)
		l.begins("w", 1, 5, store.TurnEarly, 3)
		l.begins("w", 1, 4, store.TurnDeliver, 3)
	}},
	{"U1 an unknown writer begins at its base", func(e *env) {
		l := e.openLog("a")
		l.begins("w", 7, 9, store.TurnEarly, 6)
		l.begins("w", 7, 7, store.TurnDeliver, 6)
		l.commits("w", 7, true)
		l.begins("w", 7, 8, store.TurnDeliver, 7)
		l.begins("v", 5, 3, store.TurnDone, 4)
	}},
	{"U1 the base of a known writer changes nothing that it still has to send", func(e *env) {
		l := e.openLog("a")
		l.deliver("w", 1, 2)
		l.begins("w", 2, 3, store.TurnDeliver, 2)
		l.commits("w", 3, true)
		l.begins("w", 4, 4, store.TurnDeliver, 3)
	}},
	{"U1 what is below the base never comes", func(e *env) {
		l := e.openLog("a")
		l.deliver("w", 1, 2)
		l.begins("w", 6, 7, store.TurnEarly, 5)
		l.begins("w", 6, 6, store.TurnDeliver, 5)
		l.commits("w", 6, true)
		l.begins("w", 3, 7, store.TurnDeliver, 6) // an older base comes late
	}},
	{"U2 a base that moves on during the call holds up nothing", func(e *env) {
		l := e.openLog("a")
		l.begins("w", 1, 1, store.TurnDeliver, 0)
		l.begins("w", 5, 5, store.TurnBusy, 4) // one at a time, still
		l.commits("w", 1, true)
		l.begins("w", 5, 5, store.TurnDeliver, 4)
		l.commits("w", 5, true)
		l.begins("w", 5, 5, store.TurnDone, 5)
	}},
	{"U1 asking for the last number begins nothing", func(e *env) {
		l := e.openLog("a")
		l.begins("w", 1, 0, store.TurnDone, 0)
		l.deliver("w", 1, 2)
		l.begins("w", 1, 0, store.TurnDone, 2)
		l.begins("w", 1, 3, store.TurnDeliver, 2)
	}},
	{"U2 a repeat during the call is busy", func(e *env) {
		l := e.openLog("a")
		l.begins("w", 1, 1, store.TurnDeliver, 0)
		l.begins("w", 1, 1, store.TurnBusy, 0)
		l.begins("w", 1, 2, store.TurnEarly, 0)
		l.commits("w", 1, true)
		l.begins("w", 1, 1, store.TurnDone, 1)
	}},
	{"U2 a turn lasts for its lease at least", func(e *env) {
		l := e.openLog("a")
		stays := l.attach("r")
		if t, _, err := l.Begin(ctx, store.LinkRef{}, "w", 1, 1, 4*e.brief()); err != nil || t != store.TurnDeliver {
			e.Fatalf("Begin = %s, %v", turn(t), err)
		}
		e.pass(e.brief(), func() { stays.read() })
		l.begins("w", 1, 1, store.TurnBusy, 0)
		l.commits("w", 1, true)
		l.begins("w", 1, 1, store.TurnDone, 1)
	}},
	{"U2 what was not handled may be begun again", func(e *env) {
		l := e.openLog("a")
		l.begins("w", 1, 1, store.TurnDeliver, 0)
		l.commits("w", 1, false)
		l.begins("w", 1, 1, store.TurnDeliver, 0)
		l.commits("w", 1, true)
		l.commits("w", 1, false) // once more, too late
		l.begins("w", 1, 1, store.TurnDone, 1)
	}},
	{"U2 Commit of what was not begun changes nothing", func(e *env) {
		l := e.openLog("a")
		l.commits("w", 1, true)
		l.begins("w", 1, 1, store.TurnDeliver, 0)
		l.commits("w", 2, true)
		l.begins("w", 1, 1, store.TurnBusy, 0)
		l.commits("w", 1, true)
		l.commits("w", 2, true)
		l.begins("w", 1, 2, store.TurnDeliver, 1)
	}},
	{"U1 writers count each for itself", func(e *env) {
		l, other := e.openLog("a"), e.openLog("b")
		l.deliver("w", 1, 2)
		l.deliver("v", 1, 1)
		l.begins("w", 1, 3, store.TurnDeliver, 2)
		l.begins("v", 1, 2, store.TurnDeliver, 1)
		other.begins("w", 1, 1, store.TurnDeliver, 0)
	}},
	{"U1 so many writers are remembered, the least recent leaves", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxWriters = 3 })
		for _, w := range []string{"a", "b", "c"} {
			l.deliver(w, 1, 2)
		}
		l.begins("a", 1, 1, store.TurnDone, 2) // a is recent again
		l.deliver("d", 1, 1)                   // b leaves
		l.begins("a", 1, 3, store.TurnDeliver, 2)
		l.begins("c", 1, 3, store.TurnDeliver, 2)
		l.begins("d", 1, 2, store.TurnDeliver, 1)
		l.begins("b", 1, 1, store.TurnDeliver, 0)
	}},
	{"U2 a writer whose message is being handled does not leave", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxWriters = 2 })
		l.begins("a", 1, 1, store.TurnDeliver, 0)
		for i := range 5 {
			l.deliver(fmt.Sprint("w", i), 1, 1)
		}
		l.begins("a", 1, 1, store.TurnBusy, 0)
		l.commits("a", 1, true)
		l.begins("a", 1, 1, store.TurnDone, 1)
	}},
	{"U1 writers go along when the session moves", func(e *env) {
		l := e.openLog("a")
		l.deliver("w", 1, 2)
		e.move("a", "b", "", 0)
		e.again("b").begins("w", 1, 2, store.TurnDone, 2)
	}},
	{"U2 one of many callers gets the turn", func(e *env) {
		l := e.openLog("a")
		for n := uint64(1); n <= 20; n++ {
			var turns, accepted atomic.Int64
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					t, _, err := l.Begin(ctx, store.LinkRef{}, "w", 1, n, lease)
					switch {
					case err != nil:
						e.Errorf("Begin: %v", err)
					case t == store.TurnDeliver:
						turns.Add(1)
						accepted.Store(int64(n))
						if err := l.Commit(ctx, "w", n, true); err != nil {
							e.Errorf("Commit: %v", err)
						}
					case t == store.TurnEarly:
						e.Errorf("Begin(%d) is early", n)
					}
				})
			}
			wg.Wait()
			equal(e, "callers that got the turn", turns.Load(), 1)
			l.begins("w", 1, 0, store.TurnDone, n)
		}
	}},
}
