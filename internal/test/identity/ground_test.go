package identity_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// A ground is the environment of a test: in memory or on Redis.
type ground struct {
	name   string
	stores func(testing.TB) [2]store.Store // one for each of two nodes
	listen func(testing.TB) (net.Listener, dialer)
	in     func(*testing.T, func(*testing.T))
	settle time.Duration // of moves in the stores
	pace   time.Duration // between two requests of one attacker; in a bubble it lets others run
}

// inMemory runs in a synctest bubble, where time costs nothing.
var inMemory = ground{
	name: "memory",
	stores: func(testing.TB) [2]store.Store {
		m := memory.New(memory.Options{})
		return [2]store.Store{m, m}
	},
	listen: listenMemory,
	in: func(t *testing.T, f func(*testing.T)) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(time.Minute) }) // net/http lingers after an early answer
			f(t)
		})
	},
	settle: store.Settle,
	pace:   time.Microsecond,
}

// on runs f on the ground, with two nodes, and with one node in both places.
func (g ground) on(t *testing.T, f func(t *testing.T, g ground, one bool)) {
	for _, one := range []bool{false, true} {
		t.Run(map[bool]string{false: "two nodes", true: "one node"}[one], func(t *testing.T) {
			g.in(t, func(t *testing.T) { f(t, g, one) })
		})
	}
}

// within returns the ground with this settle time for moves.
func (g ground) within(settle time.Duration) ground {
	as := g.stores
	g.settle = settle
	g.stores = func(t testing.TB) [2]store.Store {
		both := as(t)
		for i := range both {
			both[i] = sooner{both[i], settle}
		}
		return both
	}
	return g
}

// far returns the ground with a slow store.
func (g ground) far() ground {
	near := g.stores
	g.pace = time.Millisecond
	g.stores = func(t testing.TB) [2]store.Store {
		both := near(t)
		for i := range both {
			both[i] = &slow{both[i], newDice(uint64(i), 1)}
		}
		return both
	}
	return g
}
