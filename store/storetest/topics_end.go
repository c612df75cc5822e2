package storetest

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

var topicEnds = []clause{
	{"T12 a topic begins anew after its end", func(e *env) {
		a := e.topic("a")
		old := a.publish("1")
		a.end()
		now := a.publish("2")
		if now.Epoch == old.Epoch || now.Epoch == 0 || now.Seq != 1 {
			e.Errorf("%v after %v", now, old)
		}
		a.start().reads("1:2")
	}},
	{"T12 a topic that has not begun cannot end", func(e *env) {
		a := e.topic("a")
		e.is("End", a.End(ctx), store.ErrNotFound)
		a.position()
		a.end()
		e.is("a second End", a.End(ctx), store.ErrNotFound)
	}},
	{"T12 a reader gets the rest of an epoch that has ended", func(e *env) {
		a := e.topic("a")
		p := a.position()
		a.put(say("1"), piece("g", "ab"), say("2"))
		r, s, all := a.after(p), a.now(), a.after(a.position())
		a.end()
		r.takes(1, "1:1", true)
		equal(e, "it has ended", r.tail.Ended, true)
		a.publish("of the next")
		r.reads("2:g+0:ab 3:2")
		equal(e, "it has ended", r.tail.Ended, true)
		r.reads("")
		equal(e, "it has ended", r.tail.Ended, true)
		s.reads("-:g+0:ab")
		equal(e, "it has ended", s.tail.Ended, true)
		all.reads("")
		equal(e, "it has ended", all.tail.Ended, true)
		a.start().reads("1:of the next")
	}},
	{"T12 what an ended epoch retains is not older than Age and TTL allow", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		p := a.position()
		began := time.Now()
		a.put(within(e.brief()/2, say("1")), say("2"))
		a.end()
		e.pass(e.brief()*3/4, nil)
		if got := a.after(p).read(); time.Since(began) < e.brief() { // not if the machine is busy
			equal(e, "after its TTL", got, "2:2")
		}
		e.pass(e.brief()/2, nil)
		got := a.after(p).read()
		if !e.bubble && got == "restarted 1-?" { // the epoch itself is not retained any more
			return
		}
		equal(e, "after Age", got, "gap 1-2")
	}},
	{"T12 an epoch that has ended takes nothing", func(e *env) {
		a := e.topic("a")
		a.put(piece("g", "ab"))
		a.end()
		next := piece("g", "cd")
		next.Continues = true
		a.refuses(next, store.ErrNotFound)
		a.put(piece("g", "cd"))
		a.start().reads("-:g+0:cd")
	}},
}
