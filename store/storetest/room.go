package storetest

import (
	"fmt"
	"strings"

	"github.com/mirage-go/mirage/store"
)

var room = []clause{
	{"D5 a log holds so many messages and no more", func(e *env) {
		l := e.openLog("a", messages(3))
		l.add("1", "2", "3")
		l.refuses("4")
		equal(e, "what it holds", undelivered(e.end("a")), "1:1 2:2 3:3")
	}},
	{"D5 a log holds so many bytes and no more", func(e *env) {
		size := int64(text("").Size())
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = 3*size + 10 })
		k := l.attach("r")
		l.add("12345", "1234")
		l.refuses("12")
		l.add("1")
		l.refuses("")
		k.reads("1:12345 2:1234 3:1")
		k.acks(e.at(k.last, 1))
		l.add("12345")
		l.refuses("")
	}},
	{"D5 a refused message takes no number", func(e *env) {
		l := e.openLog("a", messages(1))
		k := l.attach("r")
		l.add("1")
		for range 3 {
			l.refuses("x")
		}
		k.reads("1:1")
		k.ack()
		equal(e, "the next seq", l.add("2").Seq, 2)
		k.reads("2:2")
	}},
	{"D5 an entry leaves when every reader has passed it", func(e *env) {
		l := e.openLog("a", messages(2))
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		a.read()
		a.ack()
		l.refuses("3")
		b.read()
		b.acks(e.at(b.last, 1))
		l.add("3")
		l.refuses("4")
		a.reads("3:3")
		b.reads("3:3")
	}},
	{"D5 a message for another reader counts against the bounds, too", func(e *env) {
		l := e.openLog("a", messages(2))
		a, b := l.attach("a"), l.attach("b")
		l.addTo("a", "1")
		l.addTo("a", "2")
		l.refuses("3")
		a.read()
		a.ack()
		l.refuses("3")
		b.reads("1:- 2:-")
		b.ack()
		l.add("3")
	}},
	{"D5 what everybody has passed leaves before anybody yields", func(e *env) {
		l := e.openLog("a", messages(3))
		away, here := l.attach("away"), l.attach("here")
		l.add("1", "2", "3")
		away.read()
		away.acks(e.at(away.last, 1))
		away.detach()
		here.read()
		here.ack()
		l.add("4") // 1 leaves: both have passed it
		l.resume("away", e.at(away.last, 1)).says("resumed at 1").reads("2:2 3:3 4:4")
	}},
	{"D5 readers without a link yield if another has one", func(e *env) {
		l := e.openLog("a", messages(3))
		away, here := l.attach("away"), l.attach("here")
		l.add("1", "2", "3")
		here.read()
		here.acks(e.at(here.last, 2))
		l.refuses("4") // both have a link
		away.detach()
		l.add("4")
		back := l.attach("away")
		if got := back.read(); got != "gap 1-1 2:2 3:3 4:4" && got != "gap 1-2 3:3 4:4" {
			e.Errorf("who was away reads %q", got)
		}
		here.reads("4:4")
	}},
	{"D5 a stalled reader yields while another is live", func(e *env) {
		for _, plain := range []bool{false, true} {
			l := e.openLog(fmt.Sprint("a", plain), messages(3), stallAfter(e.brief()))
			hangs := l.claim(store.Claim{Reader: "hangs", Plain: plain})
			live := l.attach("live")
			l.add("1", "2", "3")
			live.read()
			live.ack()
			l.refuses("4") // it may be on its way
			e.pass(2*e.brief(), func() { live.read() })
			l.add("4", "5")
			live.reads("4:4 5:5")
			hangs.reads("gap 1-2 3:3 4:4 5:5")
		}
	}},
	{"D5 nobody yields where all readers have stalled", func(e *env) {
		l := e.openLog("a", messages(2), stallAfter(e.brief()))
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		e.pass(2*e.brief(), nil)
		l.refuses("3")
		a.reads("1:1 2:2")
		b.reads("1:1 2:2")
	}},
	{"D5 who takes something has not stalled, however much is left", func(e *env) {
		l := e.openLog("a", messages(4), stallAfter(4*e.brief()))
		slow, plain, live := l.attach("slow"), l.plain("plain"), l.attach("live")
		l.add("1", "2", "3", "4")
		live.read()
		live.ack()
		slow.read()
		looks := uint64(0)
		e.pass(6*e.brief(), func() {
			if looks++; looks%7 == 0 {
				slow.acks(e.at(slow.last, looks/7))
				plain.take(1)
			}
		})
		l.add("5", "6", "7") // 1 to 3 leave: slow and plain have passed them
		l.refuses("8")
	}},
	{"D5 no more leaves than the room that is needed", func(e *env) {
		l := e.openLog("a", messages(3))
		away, here := l.attach("away"), l.attach("here")
		away.detach()
		l.add("1", "2", "3")
		here.read()
		here.ack()
		l.add("4")
		l.attach("away").reads("gap 1-1 2:2 3:3 4:4")
	}},
	{"D5 readers without a link keep everything if none has one", func(e *env) {
		l := e.openLog("a", messages(2))
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2")
		a.read()
		a.ack()
		a.detach()
		b.detach()
		l.refuses("3")
		l.attach("b").reads("1:1 2:2")
	}},
	{"D5 a refused message makes nobody lose anything", func(e *env) {
		size := int64(text("").Size())
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = 3*size + 3 })
		away, here := l.attach("away"), l.attach("here")
		l.add("1", "2", "3")
		here.read()
		here.acks(e.at(here.last, 1))
		away.detach()
		l.refuses(strings.Repeat("x", int(size)*2)) // more than 1 alone can give
		l.attach("away").reads("1:1 2:2 3:3")
	}},
	{"D5 a message that can never fit makes nobody lose anything", func(e *env) {
		for _, o := range []store.Overflow{store.OverflowRefuse, store.OverflowDropOldest} {
			id := fmt.Sprint("a", o)
			l := e.openLog(id, func(b *store.Bounds) { b.MaxBytes, b.Overflow = 1000, o })
			away, here := l.attach("away"), l.attach("here")
			l.add("1", "2", "3")
			here.read()
			here.ack()
			away.detach()
			l.refuses(strings.Repeat("x", 1000))
			l.attach("away").reads("1:1 2:2 3:3")
		}
	}},
	{"D5 OverflowDropOldest drops as many as are needed, and tells", func(e *env) {
		size := int64(text("").Size())
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = 4 * size }, dropOldest)
		k := l.attach("r")
		l.add("", "", "", "")
		big := strings.Repeat("x", int(size))
		l.add(big) // in place of two
		k.reads("gap 1-2 3: 4: 5:" + big)
	}},
	{"D5 OverflowDropOldest asks those without a link first", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		away, here := l.attach("away"), l.attach("here")
		l.add("1", "2", "3")
		here.read()
		here.acks(e.at(here.last, 1))
		away.detach()
		l.add("4")
		here.reads("4:4")
		l.attach("away").reads("gap 1-1 2:2 3:3 4:4")
	}},
	{"D5 a log that nobody reads holds what is above the mark", func(e *env) {
		l := e.openLog("a", messages(2))
		p := l.add("1", "2")
		l.refuses("3")
		k := l.resume("r", e.at(p, 1))
		k.detach()
		l.add("3")
		l.refuses("4")
		equal(e, "what it holds", undelivered(e.end("a")), "2:2 3:3")
	}},
	{"D5 a reader that was forgotten holds nothing", func(e *env) {
		l := e.openLog("a", messages(2), keptFor(e.brief()))
		away, here := l.attach("away"), l.attach("here")
		l.add("1", "2")
		here.read()
		here.ack()
		away.detach()
		e.pass(2*e.brief(), func() { here.read() })
		l.add("3", "4")
		k := l.attach("away")
		equal(e, "forgotten", k.Fresh, true)
		k.says("new at 2")
		_, err := l.Append(ctx, text("x"), "nobody")
		e.is("Append to nobody", err, store.ErrNotFound)
	}},
	{"D5 the reader that left first is forgotten early if there are too many", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxReaders = 4 })
		stays := l.attach("stays")
		var links []*link
		for i := range 8 {
			links = append(links, l.attach(fmt.Sprint("r", i)))
		}
		for _, k := range links {
			k.detach()
		}
		stays.read()
		equal(e, "the last that left is forgotten", l.attach("r7").Fresh, false)
		for i := range 4 {
			equal(e, fmt.Sprintf("r%d is forgotten", i), l.attach(fmt.Sprint("r", i)).Fresh, true)
		}
	}},
	{"D5 a reader with a link is never forgotten", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxReaders = 2 })
		k := l.attach("stays")
		for i := range 10 {
			l.attach(fmt.Sprint("r", i)).detach()
		}
		k.reads("")
		equal(e, "forgotten", l.attach("stays").Fresh, false)
	}},
}
