package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/mirage-go/mirage/store"
)

// These clauses are about messages with Key in a session's log. See also keysleave.go.
var superseding = append([]clause{
	{"M1 a newer message supersedes the older one for who was not sent it, without a gap", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("1")
		l.addKey("k", "2")
		l.add("3")
		equal(e, "the next seq", l.addKey("k", "4").Seq, 4)
		k.reads("1:1 3:3 4:4")
		k.ack()
		k.reads("")
		equal(e, "the next seq", l.add("5").Seq, 5)
		k.reads("5:5")
	}},
	{"M1 the oldest entry is superseded without a gap, too", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for _, s := range []string{"1", "2", "3"} {
			l.addKey("k", s)
		}
		k.reads("3:3")
		l.attach("late").says("new at 0").reads("3:3")
		l.resume("early", e.at(k.Position, 0)).says("resumed at 0").reads("3:3")
	}},
	{"M1 who was sent the older one gets the newer one", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		k.reads("1:1")
		l.addKey("k", "2")
		k.reads("2:2")
		l.resume("r", k.Position).reads("2:2") // the link was cut before an acknowledgement
		k.ack()
		l.addKey("k", "3")
		k.reads("3:3")
	}},
	{"M1 each of several readers passes over what it was not sent", func(e *env) {
		l := e.openLog("a")
		fast, slow, away := l.attach("fast"), l.attach("slow"), l.attach("away")
		away.detach()
		l.addKey("k", "1")
		fast.reads("1:1")
		l.add("2")
		slow.reads("1:1 2:2")
		slow.acks(e.at(slow.last, 1))
		l.addKey("k", "3")
		fast.reads("2:2 3:3")
		slow.reads("3:3")
		l.addKey("k", "4")
		slow.reads("4:4")
		l.attach("away").reads("2:2 4:4")
		l.attach("slow").says("new at 1").reads("2:2 4:4")
	}},
	{"M1 messages with another key, another event or no key stay", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for i, m := range []store.Message{
			{Key: "k"}, {Key: "k2"}, {Key: "k", Event: "e"},
			{Event: "ke"}, {Key: "ke"}, {Event: "e"}, {Event: "e"}, {}, {},
		} {
			m.Data = fmt.Append(nil, i+1)
			l.send(m, "")
		}
		k.reads("1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8 9:9")
		l.send(store.Message{Key: "k", Event: "e"}, "")
		l.resume("r", k.Position).reads("1:1 2:2 4:4 5:5 6:6 7:7 8:8 9:9 10:")
	}},
	{"M1 messages for different readers never supersede each other", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		l.addKey("k", "1")
		l.addKeyTo("a", "k", "2")
		l.addKeyTo("b", "k", "3")
		a.reads("1:1 2:2 3:-")
		b.reads("1:1 2:- 3:3")
		l.addKeyTo("a", "k", "4")
		l.addKey("k", "5")
		l.resume("a", a.Position).reads("3:- 4:4 5:5")
		l.resume("b", b.Position).reads("3:3 4:- 5:5")
		_, err := l.Append(ctx, &store.Message{Key: "k"}, "nobody")
		e.is("Append to nobody", err, store.ErrNotFound)
		l.resume("a", a.Position).reads("3:- 4:4 5:5")
	}},
	{"M1 a client may present and acknowledge a superseded number", func(e *env) {
		l := e.openLog("a")
		k, stays := l.attach("r"), l.attach("stays")
		p := l.addKey("k", "1")
		l.add("2")
		k.reads("1:1 2:2")
		last := l.addKey("k", "3")
		k.acks(p)
		l.resume("r", p).says("resumed at 1").reads("2:2 3:3")
		l.resume("new", p).says("resumed at 1").reads("2:2 3:3")
		next := l.addKey("k", "4")
		l.resume("r", last).says("resumed at 3").reads("4:4")
		k.acks(last)
		k.reads("4:4")
		k.acks(next)
		l.resume("r", last).says("resumed at 4").reads("")
		stays.reads("2:2 4:4")
		e.is("Ack beyond the top", l.Ack(ctx, k.Link, e.at(p, 5)), store.ErrAhead)
		l.resume("r", e.at(p, 5)).says("ahead at 4, lost 5-5")
	}},
	{"M1 a plain client resumes at a superseded number", func(e *env) {
		l := e.openLog("a")
		first := l.plain("p1")
		p := l.addKey("k", "1")
		l.add("2")
		first.reads("1:1 2:2")
		first.detach()
		l.addKey("k", "3")
		c := store.Claim{Reader: "p2", Plain: true, Given: store.GivenPresented, Position: p}
		l.claim(c).says("resumed at 1").reads("2:2 3:3")
		c.Reader, c.Position = "p3", first.Position
		l.claim(c).says("resumed at 0").reads("2:2 3:3")
		l.addKey("k", "4")
		l.plain("p4").says("new at 3").reads("4:4")
	}},
	{"M1 Behind does not count what was superseded", func(e *env) {
		l := e.openLog("a")
		k, other := l.attach("r"), l.attach("other")
		l.addKey("k", "1")
		l.add("2")
		l.addKey("k", "3")
		l.behind(1, 0, 3)
		l.behind(2, 2, 3)
		l.behind(0, 2, 3)
		k.read()
		k.acks(e.at(k.last, 2))
		l.behind(2, 1, 3)
		k.ack()
		l.behind(0, 1, 3)
		other.read()
		other.ack()
		l.behind(0, 0, 3)
	}},
	{"M1 Read gives no more bytes than asked for, and says that there is more", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.addKey("k", "1")
		l.add("2", "3")
		l.addKey("k", "4")
		equal(e, "with room for one", k.take(1), "2:2")
		equal(e, "there is more", k.tail.More, true)
		equal(e, "with room for one", k.take(1), "3:3")
		equal(e, "with room for one", k.take(1), "4:4")
		equal(e, "there is more", k.tail.More, false)
	}},
	{"M1 many updates take the room of one", func(e *env) {
		n := 1000
		if e.bubble {
			n = 100_000
		}
		l := e.openLog("a", messages(2))
		k := l.attach("r")
		l.add("first")
		for i := range n {
			l.addKey("k", fmt.Sprint(i))
		}
		k.reads(fmt.Sprintf("1:first %d:%d", n+1, n-1))
		k.ack()
		l.add("3", "4")
		k.reads(fmt.Sprintf("%d:3 %d:4", n+2, n+3))
	}},
	{"M1 many keys: each has its latest value", func(e *env) {
		const keys = 50
		l := e.openLog("a")
		k := l.attach("r")
		l.add("first")
		var want []string
		for round := range 20 {
			want = []string{"1:first"}
			for i := range keys {
				p := l.addKey(fmt.Sprint(i*7%keys), fmt.Sprint(round, i))
				want = append(want, fmt.Sprintf("%d:%d %d", p.Seq, round, i))
			}
		}
		k.reads(strings.Join(want, " "))
	}},
}, supersededLeave...)

// send appends a message for one reader, or with "" for all.
func (l *log) send(m store.Message, reader string) store.Position {
	l.e.Helper()
	l.e.jumps = l.e.jumps || m.Key != "" || m.TTL > 0
	p, err := l.Append(ctx, &m, reader)
	if err != nil {
		l.e.Fatalf("Append(%q, key %q, TTL %v) to %q: %v", m.Data, m.Key, m.TTL, reader, err)
	}
	return l.e.note(p)
}

// addKey appends a message with that key for all.
func (l *log) addKey(key, s string) store.Position {
	l.e.Helper()
	return l.send(store.Message{Key: key, Data: []byte(s)}, "")
}

// addKeyTo appends a message with that key for one reader.
func (l *log) addKeyTo(reader, key, s string) store.Position {
	l.e.Helper()
	return l.send(store.Message{Key: key, Data: []byte(s)}, reader)
}

// addFor appends a message with that TTL for all.
func (l *log) addFor(ttl time.Duration, s string) store.Position {
	l.e.Helper()
	return l.send(store.Message{TTL: ttl, Data: []byte(s)}, "")
}

// behind fails the test unless Behind returns this.
func (l *log) behind(seq uint64, readers int, top uint64) {
	l.e.Helper()
	n, t, err := l.Behind(ctx, seq)
	l.e.is("Behind", err, nil)
	equal(l.e, fmt.Sprintf("readers behind %d", seq), n, readers)
	equal(l.e, "top", t, top)
}
