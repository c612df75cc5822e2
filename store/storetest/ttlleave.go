package storetest

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are about the room that messages with TTL take, and where they go.
var expiredLeave = []clause{
	{"M3 a log of expired messages alone is empty", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		for range 3 {
			l.addFor(e.brief(), "x")
		}
		if e.bubble {
			l.refuses("x")
		}
		e.outlive()
		equal(e, "the next seq", l.add("4").Seq, 4)
		l.add("5", "6")
		l.refuses("7")
		k.reads("4:4 5:5 6:6")
	}},
	{"M3 an expired message frees its room before anything else leaves", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k := l.attach("r")
		l.add("1")
		l.addFor(e.brief(), "2")
		e.outlive()
		l.add("3")
		k.reads("1:1 3:3")
	}},
	{"M3 a broadcast takes the room of what has expired", func(e *env) {
		l := e.openLog("a", messages(2))
		k := l.attach("r")
		l.add("1")
		l.addFor(e.brief(), "2")
		e.outlive()
		e.broadcast(store.Message{TTL: time.Hour, Data: []byte("3")})
		k.reads("1:1 3:3")
	}},
	{"M3 an expired message is no gap beside one that left", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k, passed := l.attach("r"), l.attach("passed")
		l.add("1")
		passed.read()
		passed.ack()
		l.addFor(e.brief(), "2")
		e.outlive()
		l.add("3", "4") // 1 leaves
		passed.reads("3:3 4:4")
		if got := k.read(); got != "gap 1-1 3:3 4:4" && got != "gap 1-2 3:3 4:4" {
			e.Errorf("who lacks 1 reads %q", got)
		}
	}},
	{"M3 the end does not have an expired message", func(e *env) {
		l := e.openLog("a")
		l.attach("r")
		l.addFor(e.brief(), "1")
		l.add("2")
		l.send(store.Message{TTL: e.brief(), Data: []byte("3")}, "r")
		l.addFor(time.Hour, "4")
		e.outlive()
		equal(e, "what the end has", undelivered(e.end("a")), "2:2 4:4")
	}},
	{"M3 a session that expires does not have an expired message", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		l.addFor(e.brief()/4, "1")
		l.add("2")
		equal(e, "what nobody has", undelivered(e.expired()[0]), "2:2")
	}},
	{"M3 an expired message for one reader alone is not told as undelivered", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.detach()
		to := func(ttl time.Duration, s string) {
			l.send(store.Message{TTL: ttl, Data: []byte(s)}, "away")
		}
		to(e.brief()/4, "1")
		to(0, "2")
		to(e.brief()/4, "3")
		here.read()
		here.ack()
		equal(e, "told", e.told(here), "away 2-2")
	}},
	{"M3 a message that expires after its reader was forgotten is not told as undelivered", func(e *env) {
		if !e.bubble {
			return // it is a matter of moments
		}
		l := e.openLog("a", keptFor(time.Minute))
		into := e.openLog("into", keptFor(time.Minute))
		comes := l.attach("comes")
		for _, ttl := range []time.Duration{30 * time.Second, 0, 30 * time.Second} {
			l.send(store.Message{TTL: ttl}, "comes")
		}
		comes.detach()
		here := into.attach("here")
		e.move("a", "into", "", time.Minute) // comes may still come
		here.reads("1:- 2:- 3:-")
		here.ack()
		equal(e, "told", e.told(here), "comes 2-2")
	}},
	{"M3 what is undelivered is told behind an expired message, too", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.detach()
		l.addTo("away", "1")
		here.read()
		here.ack()
		l.addFor(1, "2")
		e.pass(10*time.Millisecond, nil)
		equal(e, "told", e.told(here), "away 1-1")
	}},
	{"M3 what left for want of room is told when the rest has expired", func(e *env) {
		if !e.bubble {
			return // it is a matter of moments
		}
		from, into := e.openLog("from"), e.openLog("into", messages(3), dropOldest)
		from.attach("comes").detach()
		from.addTo("comes", "1")
		from.send(store.Message{TTL: time.Minute}, "comes")
		here := into.attach("here")
		e.move("from", "into", "", time.Minute)
		into.add("3", "4") // 1 leaves
		e.pass(time.Minute, func() { here.read() })
		here.ack()
		e.pass(time.Hour, func() { here.speaks() })
		equal(e, "told", e.told(here), "comes 1-1")
	}},
	{"M3 a join does not begin a TTL anew", func(e *env) {
		from, into := e.openLog("from"), e.openLog("into")
		k := into.attach("r")
		from.addFor(2*e.brief(), "1")
		from.addFor(time.Hour, "2")
		from.add("3")
		e.pass(e.brief(), nil)
		e.move("from", "into", "", 0)
		if e.bubble {
			k.reads("1:1 2:2 3:3")
		}
		e.pass(e.brief()+time.Millisecond, nil)
		want := "2:2 3:3"
		got := into.resume("r", k.Position).read()
		if !e.bubble && got == "1:2 2:3" { // on a busy machine it had expired before the join
			want = got
		}
		equal(e, "r reads", got, want)
		equal(e, "what the end has", undelivered(e.end("into")), want)
	}},
	{"M3 a join leaves expired messages behind", func(e *env) {
		from, into := e.openLog("from"), e.openLog("into", messages(2))
		k := into.attach("r")
		from.addFor(e.brief(), "1")
		from.add("2")
		into.addFor(e.brief(), "a")
		into.add("b")
		e.outlive()
		e.move("from", "into", "", 0)
		k.reads("2:b 3:2")
	}},
}
