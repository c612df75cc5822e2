package session

import (
	"context"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// An Intake accounts for a request that brings messages, from before its body is read
// until they are handled. It bounds the bytes that all such requests hold together. It is
// not safe for concurrent use.
type Intake struct {
	m    *Manager
	s    *Session
	held int64
}

// intakes counts the bytes that the Intakes of one session, or all of them, hold.
type intakes struct{ held atomic.Int64 }

// minIntake is the least that an Intake counts, in bytes, once it holds anything.
const minIntake = 4 << 10

// Expect looks up the session of a request before its body is read. The error is
// store.ErrNotFound if there is none, and ErrSettling or ErrClosed as for Receive. Close
// the Intake once, when the request has been answered.
func (m *Manager) Expect(ctx context.Context, id string, a store.Asked) (*Intake, error) {
	s, err := m.acquire(ctx, id, opening{asked: a})
	if err = asSettling(err); err != nil {
		m.emitRefused(id, "", TransportSend, err)
		return nil, err
	}
	return &Intake{m: m, s: s}, nil
}

// Hold records that the request now holds n bytes in all, not n more. Each request counts
// as at least 4 KiB, and a smaller n than before changes nothing. It returns ErrBusy, and
// changes nothing, if all requests together would hold more than Options.Intake, or those
// of the session more than a sixteenth of that. A request may hold any number of bytes
// while it is the only one.
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

// Close releases what the request holds.
func (in *Intake) Close() {
	in.s.intakes.held.Add(-in.held)
	in.m.intakes.held.Add(-in.held)
	in.held = 0
	in.m.local.release(in.s)
}

// take adds more for an Intake that already holds mine. It reports false, and adds
// nothing, if all together would exceed the bound and there are others.
func (i *intakes) take(more, mine, bound int64) bool {
	all := i.held.Add(more)
	if all > bound && all > mine+more {
		i.held.Add(-more)
		return false
	}
	return true
}
