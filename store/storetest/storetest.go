// Package storetest is the conformance suite for a store.Store: every promise of the
// contract in package session that a store can break, by the names of the clauses in
// docs/guarantees.md. A store's own tests call Run once:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) store.Store { return newStore(t) })
//	}
//
// Beside the clauses one by one, the suite drives the store and a naive model with the
// same random commands and compares everything that both say, and lets many goroutines
// loose on one store.
package storetest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/store"
)

// Run runs the suite against the stores that open returns. Each call of open must return
// an empty store that shares nothing with the others; calls come from parallel tests.
// What a store needs to be closed belongs into t.Cleanup. Time is real: some sub-tests
// wait for a second or so.
func Run(t *testing.T, open func(testing.TB) store.Store) { suite{open: open}.run(t) }

// RunInBubble is Run for a store that lives in this process alone, without I/O: every
// sub-test runs in a bubble of testing/synctest, where waiting takes no time, so that
// hours can be tested. open is called within the bubble.
func RunInBubble(t *testing.T, open func(testing.TB) store.Store) {
	suite{open: open, bubble: true}.run(t)
}

type suite struct {
	open   func(testing.TB) store.Store
	bubble bool
}

// A clause is one sub-test; its name begins with the clause that it guards.
type clause struct {
	name string
	run  func(*env)
}

func (s suite) run(t *testing.T) {
	clauses := slices.Concat(
		appending, hello, gaps, delivery, room, alone, retention, halfOpen, departing, tabs,
		polls, upstream, ids, identity, waking, crowds)

	for _, c := range clauses {
		t.Run(c.name, func(t *testing.T) {
			if !s.bubble {
				t.Parallel()
				s.one(t, c)
				return
			}
			synctest.Test(t, func(t *testing.T) { s.one(t, c) })
		})
	}

	t.Run("D1–D9, U1 store and model agree", s.model)
}

func (s suite) one(t *testing.T, c clause) {
	e := &env{T: t, suite: s, store: s.open(t)}
	t.Cleanup(func() { e.endAll(e.store) })
	c.run(e)
}
