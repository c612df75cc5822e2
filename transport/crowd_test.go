package transport_test

import (
	"slices"
	"testing"
	"testing/synctest"
)

// §6, D7: the link that ends because its session got a 33rd one ends as one that is superseded does, though its reader has no newer one. It comes back,
// and has lost nothing.
func TestD7CrowdedOut(t *testing.T) {
	for _, tt := range []struct {
		transport string
		begin     func(tab *tab) (ended func(w *world)) // which checks how the link ended
	}{
		{"stream", func(tab *tab) func(*world) {
			l := tab.open()
			return func(w *world) {
				if <-l.done; l.err != nil || slices.Contains(tab.told, "mirage-end") || slices.Contains(tab.told, "mirage-drain") {
					w.Errorf("%v, told of %v", l.err, tab.told)
				}
			}
		}},
		{"poll", func(tab *tab) func(*world) {
			tab.poll("0")
			return func(w *world) {
				if a := tab.poll("0"); a.status != 401 {
					w.Errorf("%d %s", a.status, a.body)
				}
			}
		}},
		{"websocket", func(tab *tab) func(*world) {
			s := tab.openSocket()
			return func(w *world) {
				if code, reason := s.code(); code != 1000 {
					w.Errorf("%d %s", code, reason)
				}
			}
		}},
	} {
		t.Run(tt.transport, func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) {
				b := w.browser()
				b.streams = true
				tab := b.tab()
				ended := tt.begin(tab)
				for range 32 {
					b.tab().open()
				}
				synctest.Wait()
				ended(w)
				w.send(tab.hello.ID, "a")
				tab.open()
				tab.has("a")
				if !tab.hello.Resumed {
					t.Errorf("hello: %+v", tab.hello)
				}
			})
		})
	}
}
