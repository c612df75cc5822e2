package session

import (
	"context"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// An Intake is a request that brings messages up, from before its body is read until they
// are handled. It bounds what the bodies that are under way hold together. It is not safe
// for concurrent use.
type Intake struct {
	m    *Manager
	s    *Session
	held int64
}

// intakes is what intakes hold: of a session, or all of them.
type intakes struct{ held atomic.Int64 }

// minIntake is what an Intake counts at least, once it holds anything.
const minIntake = 4 << 10

// Expect looks for the session of a request before its body is read: store.ErrNotFound
// without one, and the other errors of Receive that say so. Close it when the request has
// been answered.
func (m *Manager) Expect(ctx context.Context, id string, a store.Asked) (*Intake, error) {
	s, err := m.acquire(ctx, id, opening{asked: a})
	if err != nil {
		return nil, asSettling(err)
	}
	return &Intake{m: m, s: s}, nil
}

// Hold says that the request holds n bytes by now. It is ErrBusy, and nothing has
// changed, if all together would hold more than Options.Intake, or those of one session
// more than a sixteenth of that. A request that is the only one there may hold anything.
func (in *Intake) Hold(n int) error {
	more := max(int64(n), minIntake) - in.held
	if more <= 0 || in.m.o.Intake < 0 {
		return nil
	}
	if !in.s.intakes.take(more, in.held, in.m.o.Intake/16) {
		return ErrBusy
	}
	if !in.m.intakes.take(more, in.held, in.m.o.Intake) {
		in.s.intakes.held.Add(-more)
		return ErrBusy
	}
	in.held += more
	return nil
}

// Close gives back what the request holds.
func (in *Intake) Close() {
	in.s.intakes.held.Add(-in.held)
	in.m.intakes.held.Add(-in.held)
	in.held = 0
	in.m.local.release(in.s)
}

// take adds more to what one that holds mine already holds, unless there are others and
// all are beyond the bound then.
func (i *intakes) take(more, mine, bound int64) bool {
	all := i.held.Add(more)
	if all > bound && all > mine+more {
		i.held.Add(-more)
		return false
	}
	return true
}
