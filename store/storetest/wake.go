package storetest

import "sync/atomic"

var waking = []clause{
	{"L watchers are woken by what a link must see", func(e *env) {
		l := e.openLog("a")
		var woken atomic.Int64
		stop := l.Watch(func() { woken.Add(1) })
		other := e.again("a") // as by another Manager
		// A hint may be lost, so each may be given again.
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
		hints("Quit", func() { other.attach("q"); other.Quit(ctx, "q") })
		stop()
		stop()
		before := woken.Load()
		other.add("y")
		if woken.Load() != before && e.bubble {
			e.Error("woken after stop")
		}
	}},
	{"L watchers are woken by the end of a session", func(e *env) {
		for _, tt := range []struct {
			name string
			end  func(id string)
		}{
			{"End", func(id string) { e.end(id) }},
			{"Move", func(id string) { e.move(id, id+"2", "", 0) }},
			{"merge", func(id string) { e.openLog(id + "3"); e.move(id, id+"3", "", 0) }},
		} {
			// Each has a new session until a hint was not lost.
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
}
