package storetest

import (
	"sync"

	"github.com/mirage-go/mirage/store"
)

var polls = []clause{
	{"D9 another request goes on with a link, and the older one is sent away", func(e *env) {
		l := e.openLog("a")
		first := l.attach("r")
		p := l.add("a", "b")
		first.reads("1:a 2:b")
		second := l.claim(store.Claim{
			Reader: "r", Link: first.Link.Number, Given: store.GivenPresented, Position: e.at(p, 1),
		}).says("resumed at 1")
		equal(e, "link", second.Link.Number, first.Link.Number)
		equal(e, "joined", second.Joined, false)
		first.over(store.ErrSuperseded)
		second.reads("2:b")
		equal(e, "departure with the older request", first.detach(), 0)
		second.reads("")
		if second.detach() == 0 {
			e.Error("no departure with the link")
		}
	}},
	{"D9 a poll is the client speaking, and acknowledges", func(e *env) {
		l := e.openLog("a", messages(2))
		stream, poll := l.attach("r"), l.attach("r")
		p := l.add("a", "b")
		poll.read()
		l.claim(store.Claim{
			Reader: "r", Link: poll.Link.Number, Given: store.GivenPresented, Position: p,
		}).says("resumed at 2")
		stream.over(store.ErrSuperseded)
		l.add("c", "d")
		l.refuses("e")
	}},
	{"D9 a poll without a position goes on after what was acknowledged", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a", "b")
		k.read()
		k.acks(e.at(p, 1))
		l.claim(store.Claim{Reader: "r", Link: k.Link.Number}).says("resumed at 1").reads("2:b")
	}},
	{"D9 a poll beyond the top is refused", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		p := l.add("a")
		_, err := l.Attach(ctx, store.Claim{
			Reader: "r", Link: k.Link.Number, Given: store.GivenPresented, Position: e.at(p, 2),
		})
		e.is("Attach", err, store.ErrAhead)
		k.reads("1:a")
	}},
	{"D9 a poll is told of a gap like everyone", func(e *env) {
		l := e.openLog("a", messages(2), dropOldest)
		k := l.attach("r")
		p := l.add("1", "2")
		k.read()
		l.add("3", "4", "5")
		l.claim(store.Claim{
			Reader: "r", Link: k.Link.Number, Given: store.GivenPresented, Position: p,
		}).reads("gap 3-3 4:4 5:5")
	}},
	{"D9 a link that is none cannot go on", func(e *env) {
		l := e.openLog("a")
		older := l.attach("r")
		newer := l.attach("r")
		newer.speaks()
		goOn := func(reader string, number uint64) error {
			_, err := l.Attach(ctx, store.Claim{Reader: reader, Link: number})
			return err
		}
		e.is("a superseded link", goOn("r", older.Link.Number), store.ErrSuperseded)
		e.is("another reader's link", goOn("s", newer.Link.Number), store.ErrNotFound)
		e.is("a link that never was", goOn("r", 99), store.ErrNotFound)
		newer.detach()
		e.is("a link that is over", goOn("r", newer.Link.Number), store.ErrNotFound)
		equal(e, "a new link after that", l.attach("r").Fresh, false)
	}},
	{"D9 of many requests at once one carries the link", func(e *env) {
		l := e.openLog("a")
		k := l.attach("r")
		got := make([]store.LinkRef, 8)
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				a, err := l.Attach(ctx, store.Claim{Reader: "r", Link: k.Link.Number})
				if err != nil {
					e.Errorf("Attach: %v", err)
				}
				got[i] = a.Link
			})
		}
		wg.Wait()
		good := 0
		for _, ref := range got {
			if _, _, err := l.Read(ctx, ref, 0, 1<<20, nil); err == nil {
				good++
			}
		}
		equal(e, "requests that may read", good, 1)
	}},
}
