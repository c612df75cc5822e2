// Package storetest is the conformance suite for a store.Store. It tests every promise of
// the contract in package store that a store can break. The sub-tests have the names of
// the clauses in docs/guarantees.md. A store's own tests call Run once:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) store.Store { return newStore(t) })
//	}
//
// A store that lacks an optional part says so with Without. For that part, the suite
// tests that the store refuses it.
//
// Besides testing each clause, the suite drives the store and a naive model with the same
// random commands, and compares all their results. It also runs many goroutines on one
// store.
package storetest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/store"
)

// Without names the optional parts of the contract that a store does not have. Its steps
// return store.ErrUnsupported for them, and do nothing.
type Without struct {
	Keys   bool // messages with Key or TTL
	Topics bool // store.TopicStore, and memberships in topics

	Inspector bool // store.Inspector
}

// Run runs the suite against the stores that open returns. Each call of open must return
// an empty store that shares nothing with the others. Parallel tests call open
// concurrently. To close a store, open uses t.Cleanup. Time is real: some sub-tests wait
// for about a second.
func Run(t *testing.T, open func(testing.TB) store.Store, without ...Without) {
	suite{open: open, without: all(without)}.run(t)
}

// RunInBubble is Run for a store that lives in this process and does no I/O. Every
// sub-test runs in a bubble of testing/synctest, where waiting takes no time, so that
// hours can be tested. open is called within the bubble.
func RunInBubble(t *testing.T, open func(testing.TB) store.Store, without ...Without) {
	suite{open: open, without: all(without), bubble: true}.run(t)
}

// all returns what is named in any of them.
func all(some []Without) (w Without) {
	for _, s := range some {
		w.Keys, w.Topics, w.Inspector = w.Keys || s.Keys, w.Topics || s.Topics, w.Inspector || s.Inspector
	}
	return w
}

type suite struct {
	open    func(testing.TB) store.Store
	without Without
	bubble  bool
}

// A clause is one sub-test. Its name begins with the clause that it tests.
type clause struct {
	name string
	run  func(*env)
}

func (s suite) run(t *testing.T) {
	clauses := slices.Concat(
		appending, hello, gaps, gapReasons, delivery, room, alone, retention, halfOpen, departing, tabs,
		polls, upstream, ids, identity, waking, crowds)
	if s.without.Keys {
		clauses = append(clauses, withoutKeys...)
	} else {
		clauses = slices.Concat(clauses, superseding, expiring)
	}
	if s.without.Topics {
		clauses = append(clauses, withoutTopics...)
	} else {
		clauses = append(clauses, topicClauses()...)
	}
	if !s.without.Inspector {
		clauses = append(clauses, inspecting...)
		if !s.without.Keys {
			clauses = append(clauses, inspectingKeys...)
		}
		if !s.without.Topics {
			clauses = append(clauses, inspectingTopics...)
		}
	}

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

	t.Run("D1–D9, U1, M1, M3 store and model agree", s.model)
	if !s.without.Topics {
		t.Run("T1–T6, T12, M1–M3 topics and model agree", s.topicModel)
	}
}

func (s suite) one(t *testing.T, c clause) {
	e := &env{T: t, suite: s, store: s.open(t)}
	t.Cleanup(func() { e.endAll(e.store) })
	c.run(e)
}
