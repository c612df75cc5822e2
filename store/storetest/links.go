package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/session"
)

var halfOpen = []clause{
	{"D7 a newer link runs beside the older until the client speaks on it", func(e *env) {
		l := e.openLog("a")
		older := l.attach("r")
		l.add("a")
		older.reads("1:a")
		newer := l.attach("r")
		l.add("b")
		older.reads("2:b")
		newer.reads("1:a 2:b")
		newer.ack()
		older.over(session.ErrSuperseded)
		l.add("c")
		newer.reads("3:c")
	}},
	{"D7 a client that speaks without acknowledging ends the older link, too", func(e *env) {
		l := e.openLog("a")
		older, newer := l.attach("r"), l.attach("r")
		newer.speaks()
		older.over(session.ErrSuperseded)
		newer.reads("")
	}},
	{"D7 speaking on the older link ends none", func(e *env) {
		l := e.openLog("a")
		older, newer := l.attach("r"), l.attach("r")
		older.speaks()
		older.reads("")
		newer.reads("")
	}},
	{"D7 a link between the two ends as well, one of another reader does not", func(e *env) {
		l := e.openLog("a")
		first, second, other, third := l.attach("r"), l.attach("r"), l.attach("s"), l.attach("r")
		third.speaks()
		first.over(session.ErrSuperseded)
		second.over(session.ErrSuperseded)
		third.reads("")
		other.reads("")
	}},
	{"D7 presenting a position is not speaking on the new link", func(e *env) {
		l := e.openLog("a")
		older := l.attach("r")
		l.add("a")
		older.read()
		newer := l.resume("r", older.last).says("resumed at 1")
		older.reads("")
		newer.reads("")
	}},
	{"D7 who is back before the server noticed loses nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for i := range 100 {
			p := l.add("x")
			if i%2 == 0 {
				k.read() // into a dead connection
			}
			k = l.resume("r", e.at(p, p.Seq-1)).says(fmt.Sprintf("resumed at %d", p.Seq-1))
			k.reads(fmt.Sprintf("%d:x", p.Seq))
			k.ack()
		}
	}},
	{"D7 acknowledgements are cumulative, and lower ones change nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a", "b", "c")
		k.read()
		k.acks(e.at(p, 2))
		k.read()
		equal(e, "acked in Read's tail", k.tail.Acked, 2)
		k.acks(e.at(p, 1))
		k.acks(e.at(p, 2))
		l.attach("r").says("new at 2")
	}},
	{"D7 what was acknowledged on one link does not come on another", func(e *env) {
		l := e.openLog("a", messages(3))
		l.attach("s") // who keeps what r has passed
		older := l.attach("r")
		p := l.add("1", "2", "3")
		older.take(1)
		newer := l.attach("r")
		newer.read()
		newer.detach()
		older.acks(e.at(p, 2)) // it came on the newer one
		older.reads("3:3")
		l.resume("r", e.at(p, 1)).says("resumed at 2").reads("3:3") // sent before it acknowledged more
		l.resume("s", e.at(p, 0)).says("resumed at 0").reads("1:1 2:2 3:3")
	}},
	{"D7 who presents less than it acknowledged is told of no gap", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		p := l.add("1", "2", "3")
		k.read()
		k.ack() // nothing is left in the log
		l.add("4")
		l.resume("r", e.at(p, 1)).says("resumed at 3").reads("4:4")
		l.claim(session.Claim{Reader: "r", Link: k.Link.Number, Given: session.Presented, Position: e.at(p, 1)}).says("resumed at 3").reads("4:4")
	}},
	{"D7 an acknowledgement beyond the top is refused", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		e.is("Ack beyond the top", l.Ack(ctx, k.Link, e.at(p, 2)), session.ErrAhead)
		e.is("Ack of the highest", l.Ack(ctx, k.Link, e.at(p, session.MaxSeq)), session.ErrAhead)
		l.attach("r").says("new at 0")
		k.reads("1:a")
	}},
	{"D7 an acknowledgement of another epoch counts for nothing", func(e *env) {
		old := e.openLog("a").add("1", "2", "3")
		e.end("a")
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a", "b", "c", "d")
		k.acks(old)
		k.acks(e.at(old, 99))
		l.attach("r").says("new at 0")
		equal(e, "not acknowledged", undelivered(e.end("a")), "1:a 2:b 3:c 4:d")
	}},
	{"D7 an acknowledgement counts from any link that its reader ever had", func(e *env) {
		l := e.openLog("a")
		older := l.attach("r")
		p := l.add("a", "b", "c", "d")
		older.read()
		newer := l.attach("r")
		newer.speaks()
		older.acks(e.at(p, 1)) // superseded
		l.attach("r").says("new at 1")
		older.detach()
		older.acks(e.at(p, 2)) // and gone
		l.attach("r").says("new at 2")
		newer.detach()
		newer.acks(e.at(p, 3))
		l.attach("r").says("new at 3")
		newer.reads0(e)
	}},
	{"D7 an acknowledgement of an unknown reader is not found", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		e.is("Ack", l.Ack(ctx, session.LinkRef{Reader: "nobody", Number: k.Link.Number, Turn: k.Link.Turn}, p), session.ErrNotFound)
		equal(e, "not acknowledged", undelivered(e.end("a")), "1:a")
	}},
	{"L links are bounded: one more ends the one heard of least recently", func(e *env) {
		l := e.openLog("a", func(b *session.Bounds) { b.Links = 3 })
		a, b := l.attach("a"), l.attach("b")
		e.pass(e.brief()/100, nil)
		c := l.attach("c")
		e.pass(e.brief()/100, nil)
		a.speaks()
		e.pass(e.brief()/100, nil)
		d := l.attach("d")
		b.over(session.ErrSuperseded)
		a.reads("")
		c.reads("")
		d.reads("")
		e.pass(e.brief()/100, nil)
		l.attach("d")
		c.over(session.ErrSuperseded)
		a.reads("")
		d.reads("")
	}},
	{"L a detached link counts no more", func(e *env) {
		l := e.openLog("a", func(b *session.Bounds) { b.Links = 2 })
		k := l.attach("stays")
		for i := range 5 {
			l.attach(fmt.Sprint("r", i)).detach()
		}
		k.reads("")
	}},
}

// reads0 fails the test unless the link, which was detached, is of no use.
func (k *link) reads0(e *env) {
	e.Helper()
	k.over(session.ErrSuperseded)
}

// leaves asks whether the departure is to be told.
func (l *log) leaves(reader string, left uint64) bool {
	l.e.Helper()
	gone, err := l.Leave(ctx, reader, left)
	if err != nil {
		l.e.Fatalf("Leave(%q, %d): %v", reader, left, err)
	}
	return gone
}

var departing = []clause{
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
		equal(e, "met before", k.Fresh, false)
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
		here, ended, err := l.Quit(ctx, "a")
		e.is("Quit", err, nil)
		equal(e, "told before", !here, false)
		equal(e, "session over", ended != nil, false)
		_, _, err = l.Read(ctx, a.Link, 0, 1<<20, nil)
		if err == nil {
			e.Error("the link of a reader that quit reads on")
		}
		_, err = l.Append(ctx, text("x"), "a")
		e.is("Append to who quit", err, session.ErrNotFound)
		l.add("3") // it holds nothing any more
		_, _, err = l.Quit(ctx, "a")
		e.is("a second Quit", err, session.ErrNotFound)
		equal(e, "met before", !l.attach("a").Fresh, false)
	}},
	{"D7 Quit after the departure was told is no departure", func(e *env) {
		l := e.openLog("a")
		k := l.attach("a")
		l.attach("b")
		l.leaves("a", k.detach())
		here, _, err := l.Quit(ctx, "a")
		e.is("Quit", err, nil)
		equal(e, "to be told", here, false)
	}},
	{"D7 no departure is told after Quit", func(e *env) {
		l := e.openLog("a")
		k := l.attach("a")
		l.attach("b")
		left := k.detach()
		here, _, err := l.Quit(ctx, "a")
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
		_, ended, err := l.Quit(ctx, "a")
		e.is("Quit", err, nil)
		equal(e, "over with the first", ended != nil, false)
		b.detach()
		_, ended, err = l.Quit(ctx, "b")
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
		_, _, err := l.Quit(ctx, "a")
		e.is("Quit", err, nil)
		_, next, err := e.store.Expired(ctx, 1)
		e.is("Expired", err, nil)
		if next > e.brief()*3/4 {
			e.Errorf("next %v; half of %v had passed", next, e.brief())
		}
	}},
}

var polls = []clause{
	{"D9 another request goes on with a link, and the older one is sent away", func(e *env) {
		l := e.openLog("a")
		first := l.attach("r")
		p := l.add("a", "b")
		first.reads("1:a 2:b")
		second := l.claim(session.Claim{Reader: "r", Link: first.Link.Number, Given: session.Presented, Position: e.at(p, 1)}).says("resumed at 1")
		equal(e, "link", second.Link.Number, first.Link.Number)
		equal(e, "joined", second.Joined, false)
		first.over(session.ErrSuperseded)
		second.reads("2:b")
		equal(e, "departure with the older request", first.detach(), 0)
		second.reads("")
		if second.detach() == 0 {
			e.Error("no departure with the link")
		}
	}},
	{"D9 a poll is the client speaking, and acknowledges", func(e *env) {
		l := e.openLog("a", messages(2))
		stream, poll := l.attach("r"), l.attach("r")
		p := l.add("a", "b")
		poll.read()
		l.claim(session.Claim{Reader: "r", Link: poll.Link.Number, Given: session.Presented, Position: p}).says("resumed at 2")
		stream.over(session.ErrSuperseded)
		l.add("c", "d")
		l.refuses("e")
	}},
	{"D9 a poll without a position goes on after what was acknowledged", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a", "b")
		k.read()
		k.acks(e.at(p, 1))
		l.claim(session.Claim{Reader: "r", Link: k.Link.Number}).says("resumed at 1").reads("2:b")
	}},
	{"D9 a poll beyond the top is refused", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		_, err := l.Attach(ctx, session.Claim{Reader: "r", Link: k.Link.Number, Given: session.Presented, Position: e.at(p, 2)})
		e.is("Attach", err, session.ErrAhead)
		k.reads("1:a")
	}},
	{"D9 a poll is told of a gap like everyone", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k := l.attach("r")
		p := l.add("1", "2")
		k.read()
		l.add("3", "4", "5")
		l.claim(session.Claim{Reader: "r", Link: k.Link.Number, Given: session.Presented, Position: p}).reads("gap 3-3 4:4 5:5")
	}},
	{"D9 a link that is none cannot go on", func(e *env) {
		l := e.openLog("a")
		older := l.attach("r")
		newer := l.attach("r")
		newer.speaks()
		goOn := func(reader string, number uint64) error {
			_, err := l.Attach(ctx, session.Claim{Reader: reader, Link: number})
			return err
		}
		e.is("a superseded link", goOn("r", older.Link.Number), session.ErrSuperseded)
		e.is("another reader's link", goOn("s", newer.Link.Number), session.ErrNotFound)
		e.is("a link that never was", goOn("r", 99), session.ErrNotFound)
		newer.detach()
		e.is("a link that is over", goOn("r", newer.Link.Number), session.ErrNotFound)
		equal(e, "a new link after that", l.attach("r").Fresh, false)
	}},
	{"D9 of many requests at once one carries the link", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		got := make([]session.LinkRef, 8)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				a, err := l.Attach(ctx, session.Claim{Reader: "r", Link: k.Link.Number})
				if err != nil {
					e.Errorf("Attach: %v", err)
				}
				got[i] = a.Link
			})
		}
		wg.Wait()
		good := 0
		for _, ref := range got {
			if _, _, err := l.Read(ctx, ref, 0, 1<<20, nil); err == nil {
				good++
			}
		}
		equal(e, "requests that may read", good, 1)
	}},
}

var tabs = []clause{
	{"D8 a new reader starts at the mark", func(e *env) {
		l := e.openLog("a")
		l.add("a", "b", "c")
		k := l.attach("r").says("new at 0")
		k.read()
		k.acks(e.at(k.last, 2))
		l.attach("s").says("new at 2").reads("3:c")
	}},
	{"D8 the mark is the highest that any reader acknowledged", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		p := l.add("1", "2", "3")
		a.acks(e.at(p, 2))
		b.acks(e.at(p, 1))
		l.attach("c").says("new at 2").reads("3:3")
		l.attach("b").says("new at 1").reads("2:2 3:3")
		equal(e, "not acknowledged", undelivered(e.end("a")), "3:3")
	}},
	{"D8 a new plain reader starts after what any reader was sent", func(e *env) {
		l := e.openLog("a")
		l.add("a", "b", "c")
		k := l.attach("r")
		k.take(2 * text("a").Size())
		read := k.cursor
		l.plain("p").says(fmt.Sprintf("new at %d", read))
		k.read()
		l.plain("q").says("new at 3").reads("")
		l.attach("s").says("new at 0")
	}},
	{"D8 a plain reader before any was sent anything starts at the first", func(e *env) {
		l := e.openLog("a")
		l.add("a")
		l.plain("p").says("new at 0").reads("1:a")
		l.plain("q").says("new at 1").reads("")
	}},
	{"D8 two tabs acknowledge each for itself", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		a.read()
		a.ack()
		b.reads("1:1 2:2")
		l.attach("b").says("new at 0").reads("1:1 2:2")
		l.attach("a").says("new at 2").reads("")
	}},
	{"X2 a duplicated tab goes on from where it was copied, and neither ends the other", func(e *env) {
		l := e.openLog("a")
		k := l.attach("tab")
		l.add("1", "2", "3")
		k.read()
		k.acks(e.at(k.last, 2))
		copied := e.at(k.last, 2)
		k.detach()
		a, b := l.resume("reloaded", copied).says("resumed at 2"), l.resume("copy", copied).says("resumed at 2")
		l.add("4")
		a.reads("3:3 4:4")
		a.ack()
		b.reads("3:3 4:4")
		b.ack()
		l.add("5")
		a.reads("5:5")
		b.reads("5:5")
	}},
	{"X2 a new page load does not acknowledge for the old one", func(e *env) {
		l := e.openLog("a", messages(2))
		old := l.attach("old")
		p := l.add("1", "2")
		l.resume("new", p)
		l.refuses("3")
		old.reads("1:1 2:2")
	}},
}
