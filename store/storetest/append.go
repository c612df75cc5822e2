package storetest

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

var appending = []clause{
	{"D1 seq begins at 1 and grows by one", func(e *env) {
		l := e.openLog("a")
		first := l.add("a")
		for seq := uint64(2); seq < 50; seq++ {
			p := l.add("x")
			equal(e, "position's seq", p.Seq, seq)
			equal(e, "position's epoch", p.Epoch, first.Epoch)
		}
		equal(e, "first seq", first.Seq, 1)
		if first.Epoch == 0 {
			e.Error("epoch 0 is nobody's")
		}
	}},
	{"D1 each session, and each life of it, has its own epoch", func(e *env) {
		seen := map[uint64]string{}
		note := func(who string, p store.Position) {
			if other, ok := seen[p.Epoch]; ok {
				e.Errorf("%s has the epoch of %s", who, other)
			}
			seen[p.Epoch] = who
		}
		note("a", e.openLog("a").add("x"))
		note("b", e.openLog("b").add("x"))
		e.end("a")
		note("a's second life", e.openLog("a").add("x"))
		other := &env{T: e.T, suite: e.suite, store: e.suite.open(e.T)}
		note("a in another store", other.openLog("a").add("x"))
		other.endAll(other.store)
	}},
	{"D1 a reader sees every message in order", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a", "b")
		k.reads("1:a 2:b")
		k.reads("")
		l.add("c")
		k.reads("3:c")
		k.ack()
		k.reads("")
	}},
	{"D1 an entry for another reader is a bare number", func(e *env) {
		l := e.openLog("a")
		a, b := l.attach("a"), l.attach("b")
		l.add("all")
		l.addTo("a", "secret")
		l.addTo("b", "other")
		l.add("end")
		a.reads("1:all 2:secret 3:- 4:end")
		b.reads("1:all 2:- 3:other 4:end")
		late := l.attach("late")
		late.reads("1:all 2:- 3:- 4:end")
	}},
	{"D8 a message to an unknown reader is not found, and takes no number", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		_, err := l.Append(ctx, text("x"), "nobody")
		e.is("Append to nobody", err, store.ErrNotFound)
		l.add("a")
		k.reads("1:a")
	}},
	{"D8 a reader without a link is still sent to", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.attach("s")
		k.detach()
		l.addTo("r", "x")
		l.attach("r").reads("1:x")
	}},
	{"W4 payloads arrive byte for byte", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		sent := []store.Message{
			{},
			{Data: []byte{}},
			{Data: all, Binary: true},
			{Event: "news", Data: []byte("a\nb\r\n\x00")},
			{Event: "ü", Data: []byte(" \ufeff\u2028")},
			{Event: strings.Repeat("e", store.MaxEvent), Data: bytes.Repeat([]byte("0123456789abcdef"), 4096)},
		}
		for i := range sent {
			if _, err := l.Append(ctx, &sent[i], ""); err != nil {
				e.Fatal(err)
			}
		}
		var got []store.Entry
		for {
			var tail store.Tail
			var err error
			if got, tail, err = l.Read(ctx, k.Link, uint64(len(got)), 1<<20, got); err != nil {
				e.Fatal(err)
			}
			if !tail.More {
				break
			}
		}
		equal(e, "messages", len(got), len(sent))
		for i, g := range got {
			m := g.Message
			if w := sent[i]; m.Event != w.Event || !bytes.Equal(m.Data, w.Data) || m.Binary != w.Binary {
				e.Errorf("message %d: got %.40q %.40q %v, want %.40q %.40q %v",
					i+1, m.Event, m.Data, m.Binary, w.Event, w.Data, w.Binary)
			}
		}
	}},
	{"D1 Read gives no more than asked for, but one entry at least", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a", "b", "c", "d", "e")
		one := text("a").Size()
		equal(e, "with room for less than one", k.take(1), "1:a")
		equal(e, "with room for less than one, there is more", k.tail.More, true)
		equal(e, "with room for less than two", k.take(2*one-1), "2:b")
		if got := k.take(2 * one); got != "3:c 4:d" && got != "3:c" {
			e.Errorf("with room for two: %q", got)
		}
		k.read()
		equal(e, "all read, more", k.tail.More, false)
		equal(e, "cursor", k.cursor, 5)
	}},
	{"D1 Read appends to what it is given", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a")
		dst := []store.Entry{{Seq: 77}}
		dst, _, err := l.Read(ctx, k.Link, 0, 1<<20, dst)
		e.is("Read", err, nil)
		if len(dst) != 2 || dst[0].Seq != 77 || dst[1].Seq != 1 {
			e.Errorf("got %v", dst)
		}
	}},
	{"D1 a replay is the same as the first time", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.attach("s")
		l.add("a", "b")
		l.addTo("r", "mine")
		l.addTo("s", "other")
		first := k.read()
		for range 3 { // a link that is cut before its client could acknowledge anything
			k = l.resume("r", k.Position)
			k.reads(first)
		}
	}},
	{"D1 a session that is over says so to everyone", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		l.add("a")
		e.end("a")
		_, err := l.Append(ctx, text("x"), "")
		e.is("Append", err, store.ErrNotFound)
		_, err = l.Attach(ctx, store.Claim{Reader: "r"})
		e.is("Attach", err, store.ErrNotFound)
		k.over(store.ErrNotFound)
		e.is("Ack", l.Ack(ctx, k.Link, k.Position), store.ErrNotFound)
		_, err = l.Detach(ctx, k.Link)
		e.is("Detach", err, store.ErrNotFound)
		_, err = l.Leave(ctx, "r", 1)
		e.is("Leave", err, store.ErrNotFound)
		_, _, err = l.Quit(ctx, store.LinkRef{Reader: "r"})
		e.is("Quit", err, store.ErrNotFound)
		_, _, err = l.Begin(ctx, store.LinkRef{}, "w", 1, 1, 0)
		e.is("Begin", err, store.ErrNotFound)
		e.is("Commit", l.Commit(ctx, "w", 1, true), store.ErrNotFound)
		e.missing("a")
	}},
	{"D8 Open makes a session for one caller, and only if asked to", func(e *env) {
		e.missing("a")
		e.openLog("a").add("x")
		_, created, err := e.store.Open(ctx, "a", store.Asked{}, true, bounds())
		e.is("Open", err, nil)
		equal(e, "created", created, false)
		k := e.again("a").attach("r")
		k.reads("1:x")
	}},
	{"D8 of many callers one makes the session", func(e *env) {
		var made atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				l, created, err := e.store.Open(ctx, "a", store.Asked{}, true, bounds())
				if err != nil {
					e.Errorf("Open: %v", err)
					return
				}
				if created {
					made.Add(1)
				}
				if _, err := l.Append(ctx, text("x"), ""); err != nil {
					e.Errorf("Append: %v", err)
				}
			})
		}
		wg.Wait()
		equal(e, "callers that made it", made.Load(), 1)
		equal(e, "messages in it", len(e.end("a").Messages), 8)
	}},
	{"D5 a broadcast finds every session once", func(e *env) {
		want := map[string]int{}
		for _, id := range []string{"a", "b", "c.d-e_f", strings.Repeat("x", 128)} {
			e.openLog(id)
			want[id] = 1
		}
		e.openLog("gone")
		e.end("gone")
		got := map[string]int{}
		for log, err := range e.store.Logs(ctx) {
			e.is("Logs", err, nil)
			got[log.ID()]++
		}
		equal(e, "sessions", len(got), len(want))
		for id := range want {
			equal(e, "times that "+id+" is listed", got[id], 1)
		}
	}},
}
