package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are about the room that messages with Key take, and where they go.
var supersededLeave = []clause{
	{"M1 what is superseded frees its room for the next one", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		for _, key := range []string{"k1", "k2", "k3"} {
			l.addKey(key, key)
		}
		l.refuses("x")
		for i := range 10 {
			l.addKey("k2", fmt.Sprint(i))
		}
		_, err := l.Append(ctx, &store.Message{Key: "k4"}, "")
		e.is("Append of a fourth", err, store.ErrFull)
		k.reads("1:k1 3:k3 13:9")
		k.acks(e.at(k.last, 1))
		equal(e, "the next seq", l.addKey("k4", "k4").Seq, 14)
		k.reads("14:k4")
	}},
	{"M1 a message that is refused supersedes nothing", func(e *env) {
		size := int64((&store.Message{Key: "k"}).Size())
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = 2*size + 4 })
		k := l.attach("r")
		l.addKey("k", "1")
		l.addKey("l", "2")
		_, err := l.Append(ctx, &store.Message{Key: "k", Data: []byte("12345")}, "")
		e.is("Append of one that is too large", err, store.ErrFull)
		k.reads("1:1 2:2")
		l.addKey("k", "123")
		k.reads("3:123")
		l.resume("r", k.Position).reads("2:2 3:123")
	}},
	{"M1 OverflowDropOldest drops nothing for an update", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k := l.attach("r")
		l.add("1")
		for _, s := range []string{"2", "3", "4"} {
			l.addKey("k", s)
		}
		k.reads("1:1 4:4")
	}},
	{"M1 an update that is larger lets as much leave as it needs", func(e *env) {
		size := int64(text("").Size())
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = 4 * size }, dropOldest)
		k := l.attach("r")
		l.add("", "")
		l.addKey("k", "")
		big := strings.Repeat("x", int(size))
		l.addKey("k", big)
		k.reads("gap 1-1 2: 4:" + big)
	}},
	{"M1 a gap is told to who lacks what left, and to nobody else", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k, passed := l.attach("r"), l.attach("passed")
		l.add("1")
		passed.read()
		passed.ack()
		l.addKey("k", "2")
		l.addKey("k", "3")
		p := l.add("4") // 1 leaves
		passed.reads("3:3 4:4")
		l.resume("other", e.at(p, 2)).says("resumed at 2").reads("3:3 4:4")
		if got := k.read(); got != "gap 1-1 3:3 4:4" && got != "gap 1-2 3:3 4:4" {
			e.Errorf("who lacks 1 reads %q", got)
		}
		l.addKey("k", "5")
		l.add("6") // 4 leaves
		l.resume("back", e.at(p, 3)).reads("gap 4-4 5:5 6:6")
		l.resume("back", e.at(p, 4)).reads("5:5 6:6")
	}},
	{"M1 readers without a link yield what they were to get, not what is superseded", func(e *env) {
		l := e.openLog("a", messages(3))
		away, here := l.attach("away"), l.attach("here")
		away.detach()
		l.addKey("k", "1")
		l.add("2")
		l.addKey("k", "3")
		l.add("4")
		here.reads("2:2 3:3 4:4")
		here.ack()
		l.add("5") // 2 leaves
		if got := l.attach("away").read(); got != "gap 1-2 3:3 4:4 5:5" && got != "gap 2-2 3:3 4:4 5:5" {
			e.Errorf("who was away reads %q", got)
		}
	}},
	{"M1 the end does not have what is superseded", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		l.add("2")
		l.addKeyTo("r", "k", "3")
		k.reads("1:1 2:2 3:3")
		k.acks(e.at(k.last, 1))
		l.addKey("k", "4")
		l.addKeyTo("r", "k", "5")
		equal(e, "what the end has", undelivered(e.end("a")), "2:2 4:4 5:5")
	}},
	{"M1 what is superseded for one reader alone is not told as undelivered", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		here, away := l.attach("here"), l.attach("away")
		away.detach()
		l.addKeyTo("away", "k", "1")
		l.add("2")
		l.addKeyTo("away", "k", "3")
		here.reads("2:2 3:-")
		here.ack()
		equal(e, "told", e.told(here), "away 3-3")
	}},
	{"M1 a move to another id changes nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		l.addKey("k", "2")
		l.add("3")
		e.move("a", "b", "", 0)
		l = e.again("b")
		l.addKey("k", "4")
		l.resume("r", k.Position).says("resumed at 0").reads("3:3 4:4")
	}},
	{"M1 of two sessions that are joined, the message that was sent later stays", func(e *env) {
		into, from := e.openLog("into"), e.openLog("from")
		k := into.attach("r")
		later := func() { e.pass(10*time.Millisecond, nil) }
		into.addKey("k1", "old")
		later()
		from.addKey("k1", "new")
		from.addKey("k2", "old")
		from.add("other")
		from.addKey("k3", "alone")
		later()
		into.addKey("k2", "new")
		e.move("from", "into", "", 0)
		k.reads("2:new 3:new 4:other 5:alone")
		into.addKey("k3", "next")
		into.addKey("k1", "next")
		l := into.resume("r", k.Position)
		l.reads("2:new 4:other 6:next 7:next")
	}},
	{"M1 a broadcast supersedes in every session", func(e *env) {
		readers := map[string]*link{}
		for _, id := range []string{"a", "b"} {
			l := e.openLog(id)
			readers[id] = l.attach("r")
			l.addKey("k", "own")
			l.add("other")
		}
		e.jumps = true
		for _, s := range []string{"3", "4"} {
			e.broadcast(store.Message{Key: "k", Data: []byte(s)})
		}
		for _, k := range readers {
			k.reads("2:other 4:4")
			k.log.addKey("k", "5")
			k.reads("5:5")
		}
	}},
	{"M1 a broadcast that reaches both sessions of a join supersedes once", func(e *env) {
		l := e.openLog("a")
		e.openLog("b")
		l.addKey("k", "1")
		m := &store.Message{Key: "k", Data: []byte("2")}
		first := true
		for log, err := range e.store.Logs(ctx) {
			e.is("Logs", err, nil)
			_, err = log.Append(ctx, m, "")
			e.is("Append", err, nil)
			if first { // the one that has it is joined to the one that does not
				first = false
				from, to := "a", "b"
				if log.ID() == "b" {
					from, to = "b", "a"
				}
				e.move(from, to, "", 0)
				l = e.again(to)
			}
		}
		if got := l.attach("r").read(); got != "1:2" && got != "2:2" {
			e.Errorf("the session has %q", got)
		}
	}},
	{"M1 a broadcast does not supersede what was sent after it came to a session of a join", func(e *env) {
		e.openLog("a").attach("r")
		e.openLog("b").attach("r")
		m := &store.Message{Key: "k", Data: []byte("older")}
		other := map[string]string{"a": "b", "b": "a"}
		e.jumps = true
		joined := false
		for log, err := range e.store.Logs(ctx) {
			e.is("Logs", err, nil)
			from := log.ID()
			_, err = log.Append(ctx, m, "")
			e.is("Append", err, nil)
			if joined {
				continue
			}
			joined = true
			e.pass(10*time.Millisecond, nil)
			e.again(other[from]).addKey("k", "newer")
			e.move(from, other[from], "", 0)
		}
		for log, err := range e.store.Logs(ctx) {
			e.is("Logs", err, nil)
			if got := e.again(log.ID()).attach("r").read(); got != "1:newer" {
				e.Errorf("the session has %q", got)
			}
		}
	}},
	{"M1 among many writers and readers, each key's values come in order, the last one at the end", keyedCrowd},
}

// broadcast appends m to every session.
func (e *env) broadcast(m store.Message) {
	e.Helper()
	if b, ok := e.store.(store.Broadcaster); ok {
		e.is("Broadcast", b.Broadcast(ctx, &m, func(_ string, err error) error { return err }), nil)
		return
	}
	for log, err := range e.store.Logs(ctx) {
		e.is("Logs", err, nil)
		_, err = log.Append(ctx, &m, "")
		e.is("Append", err, nil)
	}
}
