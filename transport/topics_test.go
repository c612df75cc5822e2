package transport_test

import (
	"testing"

	"github.com/mirage-go/mirage/session"
)

// T4: the order of a join: growing messages whole and without id, what is retained,
// mirage-joined, what follows.
func TestT4JoinOrder(t *testing.T) {
	for _, way := range downWays {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{OnJoin: allJoin}}, func(w *world) {
				w.publish("room:7", "a")
				grows := w.m.Topic("room:7").Stream(w.Context(), "answer", "m1")
				w.write(grows, "Hel")
				w.publish("room:7", "b")

				v := w.browser().guest(way)
				v.wantsTopic("room:7", "start")
				v.open()
				v.saw("room:7 answer/m1 0+Hel", "room:7 a @1", "room:7 b @3", "room:7 joined @3")
				w.write(grows, "lo")
				w.publish("room:7", "c")
				w.must(grows.Close())
				v.saw("room:7 answer/m1 3+lo @4", "room:7 c @5", "room:7 answer/m1 5+ @6 done")
			})
		})
	}
}
