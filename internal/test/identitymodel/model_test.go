package identitymodel

import (
	"flag"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var all = flag.Bool("all", false, "whether TestAllWorlds looks at all worlds, which takes minutes and gigabytes")

// Bounds on the number of states of a world. A world that has more is not explored to its
// end, and its test fails.
const (
	maxStates    = 200_000
	maxStatesAll = 12_000_000
)

// I6: a log-in takes the session along, and is sent again if its new id was revoked
// first.
func TestI6Replacement(t *testing.T) {
	fails(t, "I6")
	holds(t, "memory: replace, revoke y, 1 tab")
	holds(t, "redis: replace, revoke y, 1 tab")
	holds(t, "memory: replace, its answer is lost once, 1 attacker, 1 tab")
}

// I7: a link that Renew has ended can neither send nor receive.
func TestI7Revalidate(t *testing.T) {
	fails(t, "I7")
	holds(t, "memory: rotate, revalidate x, 1 attacker")
	holds(t, "redis: rotate, revalidate x, 1 attacker")
}

// I11: nothing of a revoked id is valid again, and a log-in tells no honest page to stop.
func TestI11Revoke(t *testing.T) {
	fails(t, "I11")
	holds(t, "memory: revoke x, 2 attackers")
	holds(t, "redis: rotate, revoke x, 1 attacker")
	holds(t, "redis: rotate, log out, 2 tabs")
}

// I12: a holder of the old id never reaches the log that has moved.
func TestI12Handles(t *testing.T) {
	fails(t, "I12")
	holds(t, "memory: rotate, 2 attackers")
	holds(t, "redis: replace, published entries, 1 attacker")
	holds(t, "redis: rotate, rotate, 1 attacker")
}

// I13: no session is created, joined or moved under an id that was revoked since.
func TestI13Times(t *testing.T) {
	fails(t, "I13")
	holds(t, "redis: revoke x, back as x, 2 attackers")
	holds(t, "redis: replace, revoke x, 1 attacker")
}

// I14: honest pages that come with the old id wait, and reach the new one.
func TestI14Fence(t *testing.T) {
	fails(t, "I14")
	holds(t, "memory: rotate, its node dies, 1 attacker, 1 tab")
	holds(t, "redis: rotate, 2 tabs, route")
	holds(t, "memory: rotate, rotate, 2 tabs")
}

// I15: no late cookie replaces the log-in's.
func TestI15Cookies(t *testing.T) {
	fails(t, "I15")
	holds(t, "memory: replace, 2 tabs, route")
	holds(t, "redis: rotate, revoke x, 1 tab, route")
}

// I8, a limit of the design: a link that was granted before a Rotate renews the cookie,
// and its response arrives after Rotate's. The jar is left with the old id, and the
// page is told to stop after T. If this test fails because nothing is found, the
// worlds of the design should have renewals.
func TestI8LateRenewal(t *testing.T) {
	for _, redis := range []bool{false, true} {
		w := world{rules: design(), redis: redis, logins: rotates, renewals: true, tabs: 2}
		if v := w.search(maxStates); v.fault != faultTold410 {
			t.Errorf("redis %v: found %v, want %v", redis, v.fault, faultTold410)
		}
	}
}

// I16: of two simultaneous log-ins with one id, one gets the session, and neither is
// stuck.
func TestI16TwoLogins(t *testing.T) {
	holds(t, "memory: rotate, the attacker logs in too, 1 tab")
}

// Each rule has a mutant that lacks it.
func TestEveryRuleHasAMutant(t *testing.T) {
	missing := map[string]bool{}
	for _, m := range mutants() {
		r := reflect.ValueOf(m.world.rules)
		for field, v := range r.Fields() {
			missing[field.Name] = missing[field.Name] || !v.Bool()
		}
	}
	for name, ok := range missing {
		if !ok {
			t.Errorf("no mutant is without %s", name)
		}
	}
}

// A search that is stopped by its bound is not reported as complete.
func TestSearchSaysIfItIsIncomplete(t *testing.T) {
	w := worlds()[0]
	if v := w.search(100); v.complete || v.states <= 100 || v.fault != noFault {
		t.Errorf("after %d states it is complete: %v, and found %v", v.states, v.complete, v.fault)
	}
}

// TestAllWorlds explores all worlds; the tests above explore the small ones. Run it with
// `make model`.
func TestAllWorlds(t *testing.T) {
	if !*all {
		t.Skip("takes minutes: make model")
	}
	states := 0
	for _, w := range worlds() {
		states += w.mustHold(t, maxStatesAll)
	}
	t.Logf("%d worlds, %d states", len(worlds()), states)
}

// holds explores one of the design's worlds.
func holds(t *testing.T, name string) {
	t.Run(name, func(t *testing.T) {
		all := worlds()
		i := slices.IndexFunc(all, func(w world) bool { return w.name == name })
		if i < 0 {
			t.Fatal("there is no such world")
		}
		all[i].mustHold(t, maxStates)
	})
}

// mustHold explores a world to its end, and returns how many states it has.
func (w *world) mustHold(t *testing.T, limit int) int {
	start := time.Now()
	v := w.search(limit)
	switch {
	case v.fault != noFault:
		t.Errorf("%s: %v\n\t%s", w.name, v.fault, strings.Join(v.trace, "\n\t"))
	case !v.complete:
		t.Errorf("%s: not explored to its end: more than %d states", w.name, limit)
	}
	t.Logf("%-60s %8d states %5.1fs", w.name, v.states, time.Since(start).Seconds())
	return v.states
}

// fails explores the mutants of a clause. Each must show its fault.
func fails(t *testing.T, clause string) {
	for _, m := range mutants() {
		if m.clause != clause {
			continue
		}
		t.Run(clause+" without "+m.without, func(t *testing.T) {
			v := m.world.search(maxStates)
			if v.fault != m.fault {
				t.Fatalf("found %v (explored to its end: %v), want %v", v.fault, v.complete, m.fault)
			}
			t.Logf("%d states: %v\n\t%s", v.states, v.fault, strings.Join(v.trace, "\n\t"))
		})
	}
}
