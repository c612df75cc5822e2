package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// lossy is a store whose wake-ups are lost, doubled or late.
type lossy struct{ store.Store }

type lossyLog struct{ store.Log }

func (s lossy) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	l, created, err := s.Store.Open(ctx, id, a, create, b)
	if err != nil {
		return nil, false, err
	}
	return lossyLog{l}, created, nil
}

func (l lossyLog) Watch(wake func()) (stop func()) {
	return l.Log.Watch(func() {
		switch rand.IntN(4) {
		case 0:
			wake()
		case 1:
			wake()
			wake()
		case 2:
			time.AfterFunc(time.Millisecond, wake)
		}
	})
}

var waking = []clause{
	{"D1 watchers are woken by what a link must see", func(e *env) {
		l := e.openLog("a")
		var woken atomic.Int64
		stop := l.Watch(func() { woken.Add(1) })
		other := e.again("a") // as another Manager would
		// A hint may be lost, so each may be repeated.
		hints := func(what string, f func()) {
			e.Helper()
			before := woken.Load()
			n := 0
			e.soon(what+" wakes", func() bool {
				if n++; n%8 == 1 {
					f()
				}
				return woken.Load() > before
			})
		}
		hints("a message", func() { other.add("x") })
		hints("a superseded link", func() { other.attach("r"); other.attach("r").speaks() })
		hints("a poll", func() { k := other.attach("p"); other.claim(goOn(k)) })
		hints("Quit", func() { other.attach("q"); other.Quit(ctx, store.LinkRef{Reader: "q"}) })
		stop()
		stop()
		before := woken.Load()
		other.add("y")
		if woken.Load() != before && e.bubble {
			e.Error("woken after stop")
		}
	}},
	{"D1 watchers are woken by the end of a session", func(e *env) {
		for _, tt := range []struct {
			name string
			end  func(id string)
		}{
			{"End", func(id string) { e.end(id) }},
			{"Move", func(id string) { e.move(id, id+"2", "", 0) }},
			{"merge", func(id string) { e.openLog(id + "3"); e.move(id, id+"3", "", 0) }},
		} {
			// Each attempt has a new session, until a hint is not lost.
			tries := 0
			e.soon(tt.name+" wakes", func() bool {
				tries++
				id := tt.name + string(rune('a'+tries))
				l := e.openLog(id)
				l.attach("r")
				woken := make(chan struct{}, 1)
				stop := l.Watch(func() {
					select {
					case woken <- struct{}{}:
					default:
					}
				})
				defer stop()
				tt.end(id)
				return e.signalled(woken)
			})
		}
	}},
	{"D1 lost, doubled and late wake-ups lose no message and double none", func(e *env) {
		m := session.New(session.Options{Store: lossy{e.store}, Heartbeat: e.brief() / 8, Retention: e.brief()})
		defer m.Shutdown(ctx)
		l, err := m.Attach(ctx, session.Attach{ID: "a", Reader: "r"})
		e.is("Attach", err, nil)
		defer l.Close()
		const all = 100
		go func() {
			for i := range all {
				if _, err := m.Send(ctx, "a", store.Text(fmt.Sprint(i))); err != nil {
					e.Errorf("Send: %v", err)
				}
				if i%10 == 0 {
					time.Sleep(2 * time.Millisecond)
				}
			}
		}()
		limit, cancel := context.WithTimeout(ctx, 50*e.brief())
		defer cancel()
		var b session.Batch
		for got := 0; got < all; {
			if err := l.Next(limit, &b); err != nil || b.End != "" {
				e.Fatalf("after %d messages: %q, %v", got, b.End, err)
			}
			for _, entry := range b.Entries {
				equal(e, "message", string(entry.Message.Data), fmt.Sprint(got))
				got++
				equal(e, "seq", entry.Seq, uint64(got))
			}
			ack := e.at(l.Hello.Position, uint64(got)).String()
			_, err := m.Receive(limit, session.Upstream{ID: "a", Link: l.Hello.Link, Ack: ack})
			e.is("Receive", err, nil)
		}
	}},
}
