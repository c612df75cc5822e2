package session

import (
	"context"
	"errors"
	"time"

	"github.com/mirage-go/mirage/store"
)

// End ends the session id now, with its links, terminally. OnEnd gets what no reader had:
// what was sent just before may not have left yet, see Finish. The id stays good for a
// new session. A client that is between two polls does not hear of it, and begins such a
// session: to keep a client out, Revoke.
func (m *Manager) End(ctx context.Context, id string) error { return m.end(ctx, id, 0) }

// Revoke ends the session id like End, if there is one, and lets values of the id that
// were signed until now be refused (see Resolve), for Options.Remember. What was sent
// just before may not have left yet, see RevokeWith. A Store in memory forgets that when
// the process restarts: there the middleware's Validate is the lasting gate.
func (m *Manager) Revoke(ctx context.Context, id string) error {
	if err := m.end(ctx, id, m.o.Remember+rememberMore); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

func (m *Manager) end(ctx context.Context, id string, refuse time.Duration) error {
	if m.enter() { // after Shutdown, too, sessions can be ended
		defer m.work.Done()
	}

	s := m.local.find(id)
	ended, err := m.store.End(ctx, id, refuse)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		why := EndOver
		if refuse > 0 {
			why = EndBarred
		}
		s.markEnded(why)
	}

	if err == nil {
		m.callOnEnd(ended, nil)
	}
	return err
}

// Revalidate ends the links of the session id, on every node; their clients come back
// through the hooks of the middleware and lose nothing. Requests that are under way are
// told to come back, too, because their hook may have answered already. Without a session
// there is nothing to do, and nothing is remembered: if the hook of a request that is
// under way has answered already, its link begins, and lives for the transport's LinkAge.
// To keep a client out, Revoke. Where the store fails, the links of this node have ended
// all the same.
func (m *Manager) Revalidate(ctx context.Context, id string) error {
	if s := m.local.find(id); s != nil {
		for l := range s.all() {
			l.finish(EndRenewed, 0)
		}
	}
	err := m.withSession(ctx, id, func(s *Session) error { return s.log.Renew(ctx) })
	if isOver(err) {
		return nil
	}
	return err
}

// Now is the Store's time, without I/O: what values are signed with. See Store.
func (m *Manager) Now() time.Time { return m.store.Now() }

// Resolve says how an id stands that a request presents. See Store.
func (m *Manager) Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error) {
	return m.store.Resolve(ctx, id, a, client)
}

// Move lets the session from go on under the id to, on the application's own word; its
// links end, and their clients come back. OnDetach is called for its readers under from,
// and OnAttach when they come back under to. For the retention the client named so may
// still present from. Session handles of from are store.ErrNotFound afterwards.
func (m *Manager) Move(ctx context.Context, from, to, client string) error {
	return m.Replace(ctx, from, to, store.Asked{}, client)
}

// Replace is Move on the word of a request whose Validate replaced its id:
// store.ErrRevoked or store.ErrMoved if that does not count any more, and nothing has
// changed then.
func (m *Manager) Replace(ctx context.Context, from, to string, a store.Asked, client string) error {
	return m.move(ctx, from, to, store.Moving{Asked: a, Client: client})
}

// Rotate is Replace that revokes from in the same step, for Options.Remember, and leaves
// no way from it to the new id.
func (m *Manager) Rotate(ctx context.Context, from, to string, a store.Asked) error {
	return m.move(ctx, from, to, store.Moving{Asked: a, Refuse: m.o.Remember + rememberMore})
}

func (m *Manager) move(ctx context.Context, from, to string, how store.Moving) error {
	how.Keep, how.Settle = m.o.Retention, store.Settle
	s := m.local.find(from)
	var values map[string]any
	left, err := m.store.Move(ctx, from, to, how)
	if err == nil && from != to {
		values = s.values() // while the links are here
		s.markEnded(EndMoved)
	}
	m.reportMoved(s, from, left, values)
	return err
}
