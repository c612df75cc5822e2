package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are about messages with TTL in a session's log. See also ttlleave.go.
var expiring = append([]clause{
	{"M3 a message is delivered until its TTL is over, and then passed over without a gap", func(e *env) {
		l := e.openLog("a")
		k, late := l.attach("r"), l.attach("late")
		l.addFor(e.brief(), "1")
		l.addFor(time.Hour, "2")
		l.addFor(e.brief(), "3")
		l.add("4")
		if e.bubble {
			k.reads("1:1 2:2 3:3 4:4")
		}
		e.outlive()
		late.reads("2:2 4:4")
		l.resume("r", k.Position).says("resumed at 0").reads("2:2 4:4")
		l.attach("new").says("new at 0").reads("2:2 4:4")
	}},
	{"M3 what expires last is passed over, too", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("1")
		p := l.addFor(e.brief(), "2")
		k.take(1)
		e.outlive()
		k.reads("")
		equal(e, "there is more", k.tail.More, false)
		k.acks(e.at(p, 1))
		l.resume("other", p).says("resumed at 2").reads("")
		k.acks(p)
		equal(e, "the next seq", l.add("3").Seq, 3)
		l.resume("r", e.at(p, 1)).says("resumed at 2").reads("3:3")
		l.resume("third", e.at(p, 1)).says("resumed at 1").reads("3:3")
	}},
	{"M3 an expired message keeps no reader behind", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("1")
		l.addFor(e.brief(), "2")
		p := l.addFor(e.brief(), "3")
		if e.bubble {
			l.behind(0, 1, 3)
		}
		e.outlive()
		l.behind(0, 1, 3)
		k.read()
		k.ack()
		l.behind(0, 0, 3)
		l.behind(2, 0, 3)
		k.acks(p)
		l.behind(0, 0, 3)
	}},
	{"M3 a reader that lacks nothing but expired messages does not stall", func(e *env) {
		size := int64(text("").Size())
		narrow := func(b *store.Bounds) { b.MaxBytes = 4 * size }
		l := e.openLog("a", narrow, stallAfter(e.brief()))
		l.attach("hangs")
		live := l.attach("live")
		l.add("", "")
		live.read()
		live.ack()
		l.addFor(e.brief(), "")
		e.pass(3*e.brief(), func() { live.read() })
		l.add(strings.Repeat("x", int(2*size))) // 1 leaves: hangs has stalled, live has not
		live.ack()
	}},
	{"M3 an expired message makes no reader stall", func(e *env) {
		l := e.openLog("a", messages(3), stallAfter(2*e.brief()))
		l.attach("hangs")
		live := l.attach("live")
		l.addFor(e.brief(), "1")
		live.read()
		live.ack()
		e.pass(3*e.brief(), func() { live.read() })
		l.add("2", "3", "4")
		live.read()
		live.ack()
		l.refuses("5") // nobody had time to take 2
	}},
	{"M3 the newest message of a key expires, and the older ones do not come back", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		l.send(store.Message{Key: "k", TTL: e.brief(), Data: []byte("2")}, "")
		if e.bubble {
			k.reads("2:2")
		}
		e.outlive()
		l.resume("r", k.Position).reads("")
		l.addKey("k", "3")
		l.resume("r", k.Position).reads("3:3")
		l.send(store.Message{Key: "k", TTL: e.brief(), Data: []byte("4")}, "")
		l.addKey("k", "5")
		e.outlive()
		l.resume("r", k.Position).reads("5:5")
	}},
	{"M3 a move to another id changes nothing", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addFor(2*e.brief(), "1")
		l.add("2")
		e.pass(e.brief(), nil)
		e.move("a", "b", "", 0)
		e.pass(e.brief()+time.Millisecond, nil)
		e.again("b").resume("r", k.Position).reads("2:2")
	}},
	{"M3 messages of many TTLs leave each in its time", func(e *env) {
		if !e.bubble {
			return // they are too close to each other
		}
		const n = 200
		l := e.openLog("a")
		k := l.attach("r")
		for i := range n {
			l.addFor(time.Duration(i*37%n+1)*time.Second, fmt.Sprint(i*37%n+1))
		}
		for left := n; left > 0; left -= 10 {
			got := 0
			entries, _, err := l.Read(ctx, k.Link, 0, 1<<20, nil)
			e.is("Read", err, nil)
			for _, entry := range entries {
				if string(entry.Message.Data) != "" {
					got++
				}
			}
			equal(e, "messages left", got, left)
			time.Sleep(10 * time.Second)
		}
		k.reads("")
	}},
	{"M3 a TTL of any length is taken", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		e.jumps = true
		l.addFor(1<<63-1, "1")
		l.addFor(1, "2")
		e.pass(10*time.Millisecond, nil)
		k.reads("1:1")
	}},
}, expiredLeave...)

// outlive waits until what was sent with a TTL of brief is not delivered any more.
func (e *env) outlive() { e.pass(e.brief()+time.Millisecond, nil) }
