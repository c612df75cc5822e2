package storetest

import (
	"fmt"
	"time"

	"github.com/mirage-go/mirage/store"
)

var halfOpen = []clause{
	{"I7 Renew ends every link, and nothing is lost", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		p := l.add("1", "2")
		b.take(1)
		b.acks(e.at(p, 1))
		woken := make(chan struct{}, 1)
		defer e.again("a").Watch(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})()
		e.is("Renew", l.Renew(ctx), nil)
		if !e.signalled(woken) {
			e.Error("nobody was woken")
		}
		a.over(store.ErrRenewed)
		b.over(store.ErrRenewed)
		_, err := l.Attach(ctx, goOn(a))
		e.is("going on with a link that is to be renewed", err, store.ErrNotFound)
		e.is("Ack", l.Ack(ctx, b.Link, e.at(p, 2)), store.ErrRenewed)
		_, _, err = l.Begin(ctx, b.Link, "w", 1, 1, lease)
		e.is("Begin", err, store.ErrRenewed)
		_, _, err = l.Quit(ctx, b.Link)
		e.is("Quit", err, store.ErrRenewed)
		a.detach()
		if b.detach() == 0 {
			e.Error("the last link's end is no departure")
		}
		l.resume("a", e.at(p, 0)).says("resumed at 0").reads("1:1 2:2")
		l.resume("b", e.at(p, 1)).says("resumed at 1").reads("2:2")
	}},
	{"I7 Renew between Ack and Begin", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		k.speaks()
		e.is("Renew", l.Renew(ctx), nil)
		_, _, err := l.Begin(ctx, k.Link, "w", 1, 1, lease)
		e.is("Begin", err, store.ErrRenewed)
		k.detach()
		_, _, err = l.Begin(ctx, k.Link, "w", 1, 1, lease)
		e.is("Begin after Detach", err, store.ErrRenewed)
		k = l.attach("r")
		if turn, _, err := l.Begin(ctx, k.Link, "w", 1, 1, lease); err != nil || turn != store.TurnDeliver {
			e.Errorf("Begin on the link after it: %v, %v", turn, err)
		}
	}},
	{"I7 Renew refuses whoever came before", func(e *env) {
		l := e.openLog("a")
		before := e.asked()
		e.is("Attach", l.tries(store.Claim{Reader: "q", Asked: before}), nil)
		e.is("Renew", l.Renew(ctx), nil)
		e.is("Attach of who came before", l.tries(store.Claim{Reader: "r", Asked: before}), store.ErrMoved)
		e.is("Open of who came before", e.opens("a", before, false), store.ErrMoved)
		after := e.asked()
		e.is("Open after", e.opens("a", after, false), nil)
		e.is("Attach after", l.tries(store.Claim{Reader: "r", Asked: after}), nil)
	}},
	{"I7 a message whose turn was given before Renew is committed", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		_, _, err := l.Begin(ctx, k.Link, "w", 1, 1, lease)
		e.is("Begin", err, nil)
		e.is("Renew", l.Renew(ctx), nil)
		l.commits("w", 1, true)
		l.begins("w", 1, 0, store.TurnDone, 1)
	}},
	{"I7 no two sessions have a link number in common", func(e *env) {
		seen := map[uint64]string{}
		for i := range 20 {
			id := fmt.Sprint("a", i%2)
			l := e.openLog(id)
			for _, reader := range []string{"r", "s"} {
				k := l.attach(reader)
				if was, ok := seen[k.Link.Number]; ok {
					e.Fatalf("link %d of %s is one of %s, too", k.Link.Number, id, was)
				}
				seen[k.Link.Number] = id
			}
			e.end(id)
		}
	}},
	{"I12 a link of an earlier session of the id does nothing in the next one", func(e *env) {
		old := e.openLog("a").attach("r")
		e.end("a")
		l := e.openLog("a")
		p := l.add("1")
		l.attach("r").detach()
		e.is("Ack", l.Ack(ctx, old.Link, p), store.ErrNotFound)
		_, _, err := l.Begin(ctx, old.Link, "w", 1, 1, lease)
		e.is("Begin", err, store.ErrNotFound)
		_, _, err = l.Quit(ctx, old.Link)
		e.is("Quit", err, store.ErrNotFound)
		_, err = l.Attach(ctx, goOn(old))
		e.is("going on with it", err, store.ErrNotFound)
		equal(e, "not acknowledged", undelivered(e.end("a")), "1:1")
	}},
	{"I7 Renew of a session that is over", func(e *env) {
		l := e.openLog("a")
		e.end("a")
		e.is("Renew", l.Renew(ctx), store.ErrNotFound)
	}},
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
		older.over(store.ErrSuperseded)
		l.add("c")
		newer.reads("3:c")
	}},
	{"D7 a client that speaks without acknowledging ends the older link, too", func(e *env) {
		l := e.openLog("a")
		older, newer := l.attach("r"), l.attach("r")
		newer.speaks()
		older.over(store.ErrSuperseded)
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
		first.over(store.ErrSuperseded)
		second.over(store.ErrSuperseded)
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
		l.attach("s") // keeps the entries that r has passed
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
		l.claim(store.Claim{
			Reader: "r", Link: k.Link.Number, Given: store.GivenPresented, Position: e.at(p, 1),
		}).says("resumed at 3").reads("4:4")
	}},
	{"D7 an acknowledgement beyond the top is refused", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		e.is("Ack beyond the top", l.Ack(ctx, k.Link, e.at(p, 2)), store.ErrAhead)
		e.is("Ack of the highest", l.Ack(ctx, k.Link, e.at(p, store.MaxSeq)), store.ErrAhead)
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
		newer.over(store.ErrSuperseded)
	}},
	{"D7 an acknowledgement of an unknown reader is not found", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		nobody := store.LinkRef{Reader: "nobody", Number: k.Link.Number, Turn: k.Link.Turn}
		e.is("Ack", l.Ack(ctx, nobody, p), store.ErrNotFound)
		equal(e, "not acknowledged", undelivered(e.end("a")), "1:a")
	}},
	{"L1 links that have ended, and their readers, have a bound", func(e *env) {
		const links, readers = 2, 3
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.MaxReaders = links, readers })
		var all []*link
		for i := range 100 { // nobody detaches
			all = append(all, l.attach(fmt.Sprint("r", i)))
		}
		left := 0
		for i := range all {
			_, err := l.Append(ctx, text("for it alone"), fmt.Sprint("r", i))
			if err == nil {
				left++
			} else {
				e.is("Append", err, store.ErrNotFound)
			}
		}
		if most := 2*links + 32 + readers + 1; left > most {
			e.Errorf("%d readers are remembered; at most %d", left, most)
		}
		all[90].over(store.ErrCrowded)
		all[99].read()
	}},
	{"L1 a link whose reader was forgotten is to come back, for the session lives", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.MaxReaders = 1, 1 })
		first := l.attach("first")
		for i := range 40 {
			l.attach(fmt.Sprint("r", i))
		}
		_, err := l.Append(ctx, text("for it alone"), "first")
		e.is("Append to who is forgotten", err, store.ErrNotFound)
		first.over(store.ErrRenewed)
		equal(e, "a departure", first.detach(), 0)
		e.end("a")
		first.over(store.ErrNotFound)
	}},
	{"D7 the owner of a link that was dropped learns of the departure", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks = 1 })
		first := l.attach("first")
		for i := range 40 {
			l.attach(fmt.Sprint("r", i))
		}
		due, err := e.store.Expired(ctx, 10)
		e.is("Expired", err, nil)
		equal(e, "told by somebody else at once", len(due.Left), 0)
		first.over(store.ErrSuperseded)
		left := first.detach()
		if left == 0 {
			e.Fatal("no departure")
		}
		equal(e, "a second Detach", first.detach(), 0)
		gone, err := l.Leave(ctx, "first", left)
		e.is("Leave", err, nil)
		equal(e, "gone", gone, true)
	}},
	{"L1 links are bounded: one more of another reader takes the place of the quietest", func(e *env) {
		quiet := e.brief() / 2
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.Quiet = 3, quiet })
		a, b, c := l.attach("a"), l.attach("b"), l.plain("c")
		e.pass(quiet, func() { a.reads("") })
		a.speaks()
		d := l.attach("d")
		b.over(store.ErrCrowded)
		l.plain("e")
		c.over(store.ErrCrowded)
		a.reads("")
		d.reads("")
	}},
	{"L1 of links that were all heard of there is no place for one more, and nothing changes", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.Quiet = 2, time.Hour })
		a, b := l.attach("a"), l.plain("b")
		for _, plain := range []bool{false, true} {
			for range 3 {
				_, err := l.Attach(ctx, store.Claim{Reader: "c", Plain: plain})
				e.is("Attach", err, store.ErrCrowded)
			}
		}
		_, err := l.Append(ctx, text("to nobody"), "c")
		e.is("Append for the reader that was refused", err, store.ErrNotFound)
		l.add("x")
		a.reads("1:x")
		b.reads("1:x")
		b.detach()
		l.attach("c").reads("1:x")
		a.reads("")
	}},
	{"L1 a reader's own links make room for its newer one", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.Quiet = 3, time.Hour })
		a, b := l.attach("a"), l.attach("b")
		for older := l.attach("c"); older != nil && older.Link.Number < a.Link.Number+6; {
			newer := l.attach("c")
			older.over(store.ErrSuperseded)
			older = newer
		}
		a.reads("")
		b.reads("")
	}},
	{"L1 before a reader loses its only link, others lose one of several", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks, b.Quiet = 4, time.Hour })
		a := l.attach("a")
		older, newer, b := l.attach("r"), l.attach("r"), l.attach("b")
		c := l.attach("c")
		older.over(store.ErrSuperseded)
		for _, k := range []*link{a, newer, b, c} {
			k.reads("")
		}
		_, err := l.Attach(ctx, store.Claim{Reader: "d"})
		e.is("Attach", err, store.ErrCrowded)
	}},
	{"L1 a poll that gave up its place does not go on", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks = 1 })
		a := l.attach("a")
		b := l.attach("b")
		_, err := l.Attach(ctx, store.Claim{Reader: "a", Link: a.Link.Number})
		e.is("Attach to go on", err, store.ErrCrowded)
		b.reads("")
	}},
	{"L1 a detached link counts no more", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxLinks = 2 })
		k := l.attach("stays")
		for i := range 5 {
			l.attach(fmt.Sprint("r", i)).detach()
		}
		k.reads("")
	}},
}
