package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are about entries for one reader alone that never came for them.
var alone = []clause{
	{"D3 a forgotten reader's own messages are told, once", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.read()
		away.detach()
		l.add("1")
		l.addTo("away", "2")
		l.addTo("here", "3")
		l.addTo("away", "4")
		l.add("5")
		equal(e, "too early", here.tells(), "")
		here.ack()
		equal(e, "told", e.told(here), "away 2-4")
		e.pass(e.brief(), func() { equal(e, "told again", here.tells(), "") })
	}},
	{"D3 what a reader acknowledged, or what a plain one was sent, is not told", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, acks, plain := l.attach("here"), l.attach("acks"), l.plain("plain")
		l.addTo("acks", "1")
		l.addTo("plain", "2")
		for _, k := range []*link{acks, plain} {
			k.read()
			if k == acks {
				k.ack()
			}
			k.detach()
		}
		e.pass(2*e.brief(), func() { equal(e, "told", here.tells(), "") })
	}},
	{"D3 a reader that says goodbye leaves its messages to be told", func(e *env) {
		l := e.openLog("a")
		here, goes := l.attach("here"), l.attach("goes")
		l.addTo("goes", "1")
		here.read()
		here.ack()
		if _, ended, err := l.Quit(ctx, goes.Link); err != nil || ended != nil {
			e.Fatalf("Quit: %v, %v", ended, err)
		}
		equal(e, "told", e.told(here), "goes 1-1")
	}},
	{"D3 what left for want of room is told when the reader is forgotten", func(e *env) {
		l := e.openLog("a", messages(2), keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.detach()
		l.addTo("away", "1")
		for _, s := range []string{"2", "3", "4"} {
			l.add(s)
			here.read()
			here.ack()
		}
		equal(e, "told", e.told(here), "away 1-1")
	}},
	{"D3 what left for want of room is not told twice", func(e *env) {
		l := e.openLog("a", messages(2), keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.detach()
		l.addTo("away", "1")
		for _, s := range []string{"2", "3"} {
			l.add(s)
			here.read()
			here.ack()
		}
		back := l.attach("away")
		back.reads("gap 1-1 2:2 3:3")
		back.ack()
		back.detach()
		e.pass(2*e.brief(), func() { equal(e, "told", here.tells(), "") })
	}},
	{"D3 a reader that comes back in time, by its position, gets its messages", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		away := l.attach("away")
		p := l.add("1")
		away.read()
		away.ack()
		l.addTo("away", "2")
		away.detach()
		l.resume("away", p).says("resumed at 1").reads("2:2")
	}},
	{"D3 a reader that comes back when it is forgotten says by its position what it had", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		p := l.addTo("away", "1")
		l.addTo("away", "2")
		away.read()
		away.detach() // its acknowledgement of 1 was lost
		e.pass(e.brief()+time.Millisecond, nil)
		back := l.resume("away", p)
		back.says("resumed at 1").reads("2:2")
		back.ack()
		equal(e, "told", here.tells(), "")
		equal(e, "what the end has", undelivered(e.end("a")), "")
	}},
	{"D6 the end has what was for one reader alone, below the mark, too", func(e *env) {
		l := e.openLog("a")
		here, away, acks := l.attach("here"), l.attach("away"), l.attach("acks")
		away.detach()
		l.addTo("acks", "1")
		l.addTo("away", "2")
		l.add("3")
		acks.reads("1:1 2:- 3:3")
		acks.ack()
		here.read()
		here.ack()
		l.add("4")
		ended := e.end("a")
		equal(e, "what the end has", undelivered(ended), "2:2 4:4")
		equal(e, "for whom", ended.Messages[0].Reader, "away")
	}},
	{"D6 the end has what was for a reader that said goodbye", func(e *env) {
		l := e.openLog("a")
		goes, last := l.attach("goes"), l.attach("last")
		l.addTo("goes", "1")
		l.add("2")
		last.read()
		last.ack()
		if _, _, err := l.Quit(ctx, goes.Link); err != nil {
			e.Fatal(err)
		}
		equal(e, "what the end has", undelivered(e.end("a")), "1:1")
	}},
	{"D3 a join takes along what is for one reader alone", func(e *env) {
		from := e.openLog("from", keptFor(e.brief()))
		comes, stays, other := from.attach("comes"), from.attach("stays"), from.attach("other")
		from.addTo("comes", "1")
		from.addTo("stays", "2")
		from.add("3")
		other.read()
		other.ack()
		comes.detach()
		stays.detach()
		into := e.openLog("into", keptFor(e.brief()))
		here := into.attach("here")
		e.move("from", "into", "", e.brief())
		into.resume("comes", comes.last).says("moved at 0, lost 1-?").reads("1:1 2:-")
		here.reads("1:- 2:-")
		here.ack()
		equal(e, "told", e.told(here), "stays 2-2")
	}},
}

// tells reads everything, and describes what Read reports as undelivered.
func (k *link) tells() string {
	k.log.e.Helper()
	var told []store.Undelivered
	for more := true; more; more = k.tail.More {
		k.take(1 << 20)
		told = append(told, k.tail.Undelivered...)
	}
	var out []string
	for _, u := range told {
		out = append(out, fmt.Sprintf("%s %s", u.Reader, lost(u.Lost)))
	}
	return strings.Join(out, ", ")
}

// told waits until a link's Read reports something undelivered.
func (e *env) told(k *link) (what string) {
	e.Helper()
	e.soon("something undelivered is told", func() bool {
		what = k.tells()
		return what != ""
	})
	return what
}
