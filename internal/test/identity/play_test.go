package identity_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/middleware"
)

var (
	playSeed = flag.Uint64("identity.seed", 0, "play only the schedule of this seed")
	playFor  = flag.Duration("identity.time", 8*time.Second, "how long to play schedules in memory")
)

// TestI12Play runs random schedules in memory: log-in, replacement, log-out, revocation,
// revalidation and new links, against attackers who hold everything from before. The
// comments on ledger (safety) and verdict (liveness) state what must hold.
func TestI12Play(t *testing.T) {
	if *playSeed != 0 {
		synctest.Test(t, func(t *testing.T) { playInMemory(t, *playSeed) })
		return
	}
	start, played, long := time.Now(), 0, *playFor
	if testing.Short() {
		long = time.Second
	}
	for played < 20 || time.Since(start) < long {
		synctest.Test(t, func(t *testing.T) { playInMemory(t, rand.Uint64()|1) })
		if t.Failed() {
			return
		}
		played++
	}
	t.Logf("%d plays", played)
}

func playInMemory(t *testing.T, seed uint64) {
	t.Cleanup(func() { time.Sleep(time.Minute) }) // net/http lingers after an early answer
	play(t, inMemory, time.Second, 0, seed)
}

// play runs one play with one visitor. delay is what the machine may add to any time.
func play(t *testing.T, on ground, unit, delay time.Duration, seed uint64) {
	t.Helper()
	d := newDice(seed, 0)
	p := newPlan(d, unit)
	if p.soon {
		on = on.within(2 * unit)
	}

	stores := on.stores(t)
	grace, turn := delay, delay
	if p.slow {
		grace, turn = grace+5*step, turn+step // Attach and Read, or one Begin
		for i := range stores {
			stores[i] = &slow{stores[i], newDice(seed, uint64(100+i))}
		}
	}

	a := newApp(newLedger(on.settle, grace, turn), p.login, p.hooks, newDice(seed, 1))
	s := newSite(t, setup{
		stores: stores, listen: on.listen, session: a.options(), sessions: a.sessions, routes: a.routes,
		identity: middleware.Options{Validate: a.validate()},
	})

	g := &game{
		plan: p, app: a, site: s, dice: d, seed: seed, settle: on.settle,
		v: newVisitor("vera", s, a, p.late, newDice(seed, 2)),
	}

	g.run()
	a.judge()
	if len(a.faults) > 0 {
		t.Errorf("seed %d, %+v:\n%s", seed, p, a.report())
	}
}
