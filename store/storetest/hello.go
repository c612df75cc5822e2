package storetest

import (
	"fmt"

	"github.com/mirage-go/mirage/store"
)

var hello = []clause{
	{"D2 hello says why a link does not go on where the client was", func(e *env) {
		presents := func(seq uint64) store.Claim {
			return store.Claim{Given: store.GivenPresented, Position: store.Position{Seq: seq}}
		}
		tests := []struct {
			name  string
			claim store.Claim
			want  string
		}{
			{"no position", store.Claim{}, "new at 0"},
			{"no position of ours", store.Claim{Given: store.GivenMalformed}, "malformed at 0"},
			{"the top", presents(7), "resumed at 7"},
			{"the last one that left: nothing is missing", presents(2), "resumed at 2"},
			{"one before it", presents(1), "trimmed at 1, lost 2-2"},
			{"before the first", presents(0), "trimmed at 0, lost 1-2"},
			{"beyond the top", presents(9), "ahead at 7, lost 8-9"},
		}
		for i, tt := range tests {
			// Each case has its own session: a client that presents a position moves the
			// mark for those after it.
			l := e.openLog(fmt.Sprint("a", i), messages(5), dropOldest)
			p := l.add("1", "2", "3", "4", "5", "6", "7") // 1 and 2 had to leave
			c := tt.claim
			c.Reader = "r"
			if c.Given == store.GivenPresented {
				c.Position = e.at(p, c.Position.Seq)
			}
			k := l.claim(c)
			equal(e, tt.name, k.hello(), tt.want)
			equal(e, tt.name+": seen as new", k.Fresh && k.Joined, true)
			equal(e, tt.name+": epoch", k.Position.Epoch, p.Epoch)
		}
	}},
	{"D2 the reason after a session's end is expired, after the store's restarted", func(e *env) {
		l := e.openLog("a")
		p := l.add("1", "2")
		e.end("a")
		e.openLog("a").resume("r", p).says("expired at 0, lost 3-?")
		other := &env{T: e.T, suite: e.suite, store: e.suite.open(e.T)}
		other.openLog("a").resume("r", p).says("restarted at 0, lost 3-?")
		other.endAll(other.store)
	}},
	{"D2 a position with a tag that the store did not give is diverged", func(e *env) {
		l := e.openLog("a")
		p := l.add("1", "2")
		p.Tag ^= 7
		l.resume("r", p).says("diverged at 0, lost 3-?")
	}},
	{"D2 hello before any message is a position to come back with", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r").says("new at 0")
		k.detach()
		l.add("a")
		k = l.resume("r", k.Position).says("resumed at 0")
		k.reads("1:a")
	}},
	{"D2 hello never lies beyond what the reader has", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.attach("s") // keeps the entries that r has passed
		l.add("a", "b", "c")
		k.reads("1:a 2:b 3:c") // written, but not acknowledged
		l.attach("r").says("new at 0").reads("1:a 2:b 3:c")
		k.acks(e.at(k.last, 2))
		l.attach("r").says("new at 2").reads("3:c")
		l.claim(store.Claim{Reader: "r", Given: store.GivenMalformed}).says("malformed at 2").reads("3:c")
		l.resume("r", e.at(k.last, 1)).says("resumed at 2").reads("3:c") // sent before it acknowledged more
	}},
	{"D2 a position of another epoch that comes late takes nothing back", func(e *env) {
		old := e.openLog("a").add("x")
		e.end("a")
		l := e.openLog("a")
		l.attach("s") // keeps the entries that r has passed
		k := l.resume("r", old).says("expired at 0, lost 2-?")
		l.add("1", "2")
		k.read()
		k.acks(e.at(k.last, 1))
		l.resume("r", old).says("expired at 1, lost 2-?").reads("2:2") // the request before, delayed on its way
	}},
	{"D2 sent is the highest seq ever written to anyone", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		equal(e, "sent at first", k.Sent, 0)
		l.add("a", "b", "c")
		equal(e, "sent before a read", l.attach("s").Sent, 0)
		k.take(1)
		equal(e, "sent after one", l.attach("s").Sent, 1)
		k.read()
		equal(e, "sent after all", l.attach("t").Sent, 3)
		e.move("a", "b", "", 0)
		equal(e, "sent after a move", e.again("b").attach("t").Sent, 3)
	}},
	{"D2, R4 a new plain reader without a position gets what no reader was sent, and no more", func(e *env) {
		l := e.openLog("a")
		k := l.plain("p")
		l.add("a", "b", "c")
		k.take(1)
		next := l.plain("q").says("new at 1")
		next.reads("2:b 3:c")
		k.read()
		k.detach()
		l.add("d")
		l.plain("s").says("new at 3").reads("4:d")
		next.detach() // it was not sent the last one
		l.add("e")
		l.plain("t").says("new at 4").reads("5:e")
	}},
	{"D2 accepted is the last number of the writer that has the reader's name", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		equal(e, "accepted at first", k.Accepted, 0)
		l.deliver("r", 5, 5)
		l.deliver("other", 9, 9)
		equal(e, "accepted", l.attach("r").Accepted, 5)
		k.read()
		equal(e, "accepted in Read's tail", k.tail.Accepted, 5)
		equal(e, "accepted of one who writes nothing", l.attach("s").Accepted, 0)
	}},
	{"D3 a position at the top resumes however old", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k, stays := l.attach("r"), l.attach("s")
		l.add("a", "b")
		stays.read()
		stays.ack()
		k.read()
		k.ack() // nothing is left in the log
		k.detach()
		e.pass(5*e.brief(), func() { stays.read() })
		k = l.resume("r", k.last).says("resumed at 2")
		equal(e, "forgotten meanwhile", k.Fresh, true)
		l.add("c")
		k.reads("3:c")
	}},
	{"D3 resuming again and again neither loses nor repeats", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		for i := range 50 {
			if i%7 == 0 {
				p := l.add("x")
				k.reads(fmt.Sprintf("%d:x", p.Seq))
			}
			k = l.resume("r", k.last)
			k.says(fmt.Sprintf("resumed at %d", k.Position.Seq))
			k.reads("")
		}
	}},
}

var gaps = []clause{
	{"D3 a gap comes before the next message, with its exact range", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		l.add("1", "2")
		k.take(1)
		l.add("3", "4", "5", "6")
		k.reads("gap 2-3 4:4 5:5 6:6")
		l.add("7")
		k.reads("7:7")
	}},
	{"D3 the end of a gap is a position to come back with", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		l.add("1", "2", "3", "4", "5")
		k.read()
		end := e.at(k.Position, k.tail.Gap.To)
		k.detach()
		l.resume("r", end).says("resumed at 2").reads("3:3 4:4 5:5")
	}},
	{"D3 a gap is told once per reader", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		a, b := l.attach("a"), l.attach("b")
		l.add("1", "2", "3", "4", "5")
		a.reads("gap 1-2 3:3 4:4 5:5")
		l.attach("a").reads("gap 1-2 again 3:3 4:4 5:5")
		b.reads("gap 1-2 3:3 4:4 5:5")
		l.add("6")
		l.attach("a").reads("gap 1-3 4:4 5:5 6:6")
	}},
	{"D3 a gap beyond all that is left still comes before the next message", func(e *env) {
		l := e.openLog("a", func(b *store.Bounds) { b.MaxBytes = int64(2 * text("x").Size()) }, dropOldest)
		k := l.attach("r")
		big := string(make([]byte, text("x").Size()))
		l.add("1", "2", big)
		got := k.read()
		equal(e, "reads", got, "gap 1-2 3:"+big)
	}},
	{"D3 a position from before the gap is told of it", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		p := l.add("1", "2")
		k.read()
		k.detach()
		l.add("3", "4", "5", "6", "7")
		l.resume("r", p).says("trimmed at 2, lost 3-4").reads("gap 3-4 5:5 6:6 7:7")
	}},
	{"D8 a position presented moves the mark, even if what followed it had to leave", func(e *env) {
		l := e.openLog("a", messages(3), dropOldest)
		k := l.attach("r")
		p := l.add("1", "2")
		k.read()
		l.add("3", "4", "5", "6", "7")
		l.resume("r", p).says("trimmed at 2, lost 3-4")
		l.attach("new").says("new at 2").reads("gap 3-4 5:5 6:6 7:7")
		l.attach("r").says("new at 2")
	}},
}

var delivery = []clause{
	{"D4 what was read counts as nothing until it is acknowledged", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a", "b", "c")
		k.reads("1:a 2:b 3:c")
		k.acks(e.at(k.last, 1))
		equal(e, "not acknowledged", undelivered(e.end("a")), "2:b 3:c")
	}},
	{"D4 a position that a client presents counts", func(e *env) {
		l := e.openLog("a")
		p := l.add("a", "b", "c")
		l.resume("r", e.at(p, 2)).says("resumed at 2")
		l.attach("r").says("new at 2")
		equal(e, "not acknowledged", undelivered(e.end("a")), "3:c")
	}},
	{"D4 what a plain reader was sent stays, and waits for its position", func(e *env) {
		l := e.openLog("a")
		k := l.plain("p1")
		l.add("a", "b", "c")
		k.reads("1:a 2:b 3:c")
		k.detach()
		l.claim(store.Claim{
			Reader: "p2", Plain: true, Given: store.GivenPresented, Position: e.at(k.last, 1),
		}).says("resumed at 1").reads("2:b 3:c")
		equal(e, "not acknowledged", undelivered(e.end("a")), "2:b 3:c")
	}},
	{"D4 what a plain reader was sent leaves when room is needed", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.plain("p")
		l.add("1", "2", "3")
		l.refuses("4")
		k.take(2 * text("1").Size())
		l.add("4")
		k.reads("3:3 4:4")
	}},
	{"D4 an acknowledging reader yields nothing that it was sent", func(e *env) {
		l := e.openLog("a", messages(3))
		k := l.attach("r")
		l.add("1", "2", "3")
		k.read()
		l.refuses("4")
		k.acks(e.at(k.last, 1))
		l.add("4")
		l.refuses("5")
	}},
	{"D4 what a plain reader was sent leaves after the retention, and its session lives on", func(e *env) {
		l := e.openLog("a", keptFor(e.brief()))
		k := l.plain("p")
		l.add("1", "2")
		k.read()
		e.pass(2*e.brief(), func() { k.read() })
		p := l.add("3")
		k.reads("3:3")
		l.resume("q", e.at(p, 0)).says("trimmed at 0, lost 1-2")
	}},
}
