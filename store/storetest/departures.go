package storetest

import (
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// leaves reports whether Leave reports the departure.
func (l *log) leaves(reader string, left uint64) bool {
	l.e.Helper()
	gone, err := l.Leave(ctx, reader, left)
	if err != nil {
		l.e.Fatalf("Leave(%q, %d): %v", reader, left, err)
	}
	return gone
}

var departing = []clause{
	{"D7 a link ends whichever request carries it, if its client says so", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		first := k.Link
		k = l.claim(store.Claim{Reader: "r", Link: first.Number})
		left, err := l.Detach(ctx, first)
		e.is("Detach of an earlier turn", err, nil)
		equal(e, "departure", left, 0)
		left, err = l.Detach(ctx, store.LinkRef{Reader: "r", Number: first.Number})
		e.is("Detach", err, nil)
		equal(e, "there is a departure", left > 0, true)
		k.over(store.ErrSuperseded)
		equal(e, "a second departure", k.detach(), 0)
		equal(e, "told", l.leaves("r", left), true)
	}},
	{"D6 how many readers are behind", func(e *env) {
		l := e.openLog("a")
		l.isBehind(0, 0, 0)
		acks, plain, away, left := l.attach("acks"), l.plain("plain"), l.attach("away"), l.attach("left")
		l.isBehind(0, 0, 0)
		l.add("1", "2")
		away.detach()
		l.leaves("left", left.detach())
		l.isBehind(0, 3, 2)
		plain.read()
		l.isBehind(0, 2, 2)
		acks.read()
		acks.acks(e.at(acks.last, 1))
		l.isBehind(0, 2, 2)
		l.isBehind(1, 1, 2)
		acks.ack()
		l.isBehind(0, 1, 2)
		l.resume("away", acks.last)
		l.isBehind(0, 0, 2)
		e.end("a")
		_, _, err := l.Behind(ctx, 0)
		e.is("Behind", err, store.ErrNotFound)
	}},
	{"D7 a departure is told once", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		equal(e, "joined", k.Joined, true)
		left := k.detach()
		if left == 0 {
			e.Fatal("the last link's end is no departure")
		}
		equal(e, "told", l.leaves("r", left), true)
		equal(e, "told again", l.leaves("r", left), false)
		k = l.attach("r")
		equal(e, "joined again", k.Joined, true)
		equal(e, "forgotten", k.Fresh, false)
	}},
	{"D7 who is back in time never left", func(e *env) {
		l := e.openLog("a")
		left := l.attach("r").detach()
		k := l.attach("r")
		equal(e, "joined", k.Joined, false)
		equal(e, "told", l.leaves("r", left), false)
		again := k.detach()
		if again == 0 || again == left {
			e.Errorf("the second departure is %d after %d", again, left)
		}
		equal(e, "the old departure is told", l.leaves("r", left), false)
		equal(e, "told", l.leaves("r", again), true)
	}},
	{"D7 a reader with another link has not left", func(e *env) {
		l := e.openLog("a")
		older, newer := l.attach("r"), l.attach("r")
		equal(e, "joined twice", newer.Joined, false)
		newer.speaks()
		equal(e, "departure with the older link", older.detach(), 0)
		if newer.detach() == 0 {
			e.Error("no departure with the newer link")
		}
	}},
	{"D7 a second Detach changes nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		left := k.detach()
		equal(e, "second departure", k.detach(), 0)
		equal(e, "told", l.leaves("r", left), true)
	}},
	{"D7 a departure is of one reader", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		left := a.detach()
		equal(e, "b told for a", l.leaves("b", left), false)
		equal(e, "nobody told", l.leaves("nobody", left), false)
		b.detach()
		equal(e, "a told", l.leaves("a", left), true)
	}},
	{"D7 a departure is told to one of many callers", func(e *env) {
		l := e.openLog("a")
		left := l.attach("r").detach()
		var told atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if gone, err := l.Leave(ctx, "r", left); err != nil {
					e.Errorf("Leave: %v", err)
				} else if gone {
					told.Add(1)
				}
			})
		}
		wg.Wait()
		equal(e, "times told", told.Load(), 1)
	}},
	{"D7 Quit forgets the reader and ends its links", func(e *env) {
		l := e.openLog("a", messages(2))
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		b.read()
		b.ack()
		here, ended, err := l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("Quit", err, nil)
		equal(e, "to be told", here, true)
		equal(e, "session over", ended != nil, false)
		_, _, err = l.Read(ctx, a.Link, 0, 1<<20, nil)
		if err == nil {
			e.Error("the link of a reader that quit reads on")
		}
		_, err = l.Append(ctx, text("x"), "a")
		e.is("Append to who quit", err, store.ErrNotFound)
		l.add("3") // it holds nothing any more
		_, _, err = l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("a second Quit", err, store.ErrNotFound)
		equal(e, "forgotten", l.attach("a").Fresh, true)
	}},
	{"D7 Quit after the departure was told is no departure", func(e *env) {
		l := e.openLog("a")
		k := l.attach("a")
		l.attach("b")
		l.leaves("a", k.detach())
		here, _, err := l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("Quit", err, nil)
		equal(e, "to be told", here, false)
	}},
	{"D7 no departure is told after Quit", func(e *env) {
		l := e.openLog("a")
		k := l.attach("a")
		l.attach("b")
		left := k.detach()
		here, _, err := l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("Quit", err, nil)
		equal(e, "to be told", here, true)
		equal(e, "told", l.leaves("a", left), false)
		l.attach("a")
		equal(e, "told of the old one", l.leaves("a", left), false)
	}},
	{"W2 the session ends with its last reader", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		p := l.add("1", "2")
		a.read()
		a.acks(e.at(p, 1))
		_, ended, err := l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("Quit", err, nil)
		equal(e, "over with the first", ended != nil, false)
		b.detach()
		_, ended, err = l.Quit(ctx, store.LinkRef{Reader: "b"})
		e.is("Quit", err, nil)
		if ended == nil {
			e.Fatal("the session goes on without a reader")
		}
		equal(e, "id", ended.ID, "a")
		equal(e, "epoch", ended.Epoch, p.Epoch)
		equal(e, "what nobody has", undelivered(*ended), "2:2")
		e.missing("a")
		equal(e, "ended again", len(e.due(10)), 0)
	}},
	{"D6 Quit without links does not lengthen a session's life", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		a, b := l.attach("a"), l.attach("b")
		b.detach()
		a.detach()
		e.pass(e.brief()/2, nil)
		_, _, err := l.Quit(ctx, store.LinkRef{Reader: "a"})
		e.is("Quit", err, nil)
		due, err := e.store.Expired(ctx, 1)
		e.is("Expired", err, nil)
		if due.Next > e.brief()*3/4 {
			e.Errorf("next %v; half of %v had passed", due.Next, e.brief())
		}
	}},
}

// isBehind fails the test unless that number of readers lack something up to seq.
func (l *log) isBehind(seq uint64, readers int, top uint64) {
	l.e.Helper()
	n, at, err := l.Behind(ctx, seq)
	l.e.is("Behind", err, nil)
	equal(l.e, "readers behind", n, readers)
	equal(l.e, "top", at, top)
}
