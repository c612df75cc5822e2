package session

import (
	"context"
	"errors"
	"time"

	"github.com/mirage-go/mirage/store"
)

// End ends the session id now, or returns store.ErrNotFound if there is none. Its links
// end, and their clients stop. OnEnd gets the messages that no reader had. Messages that
// were sent just before may not have been written yet: see Finish. The id can be used for
// a new session. A client that is between two polls does not learn of the end: it opens a
// new link, and so begins a new session under the id. To keep a client out, use Revoke.
func (m *Manager) End(ctx context.Context, id string) error { return m.end(ctx, id, 0) }

// Revoke ends the session id like End, if there is one. For Options.Remember, values of
// the id that were signed until now are refused (see Resolve). Messages that were sent
// just before may not have been written yet: see RevokeWith. A Store in memory forgets
// revocations when the process restarts. There, the middleware's Validate is the lasting
// check.
func (m *Manager) Revoke(ctx context.Context, id string) error {
	if err := m.end(ctx, id, m.o.Remember+rememberMore); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

func (m *Manager) end(ctx context.Context, id string, refuse time.Duration) error {
	if m.enter() { // sessions can be ended after Shutdown, too
		defer m.work.Done()
	}

	why := EndOver
	if refuse > 0 {
		why = EndBarred
	}
	s := m.local.find(id)
	ended, err := m.store.End(ctx, id, refuse)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		s.markEnded(why)
	}

	if err == nil {
		m.emitEnded(ended, string(why))
		m.callOnEnd(ended, nil)
	}
	return err
}

// Revalidate ends the links of the session id on every node. Their clients come back
// through the hooks of the middleware, and lose nothing. Requests that are in progress
// are told to come back, too, because their hook may have run already. Without a session,
// Revalidate does nothing and remembers nothing: if the hook of a request in progress has
// run already, its link begins, and lives for the transport's LinkAge. To keep a client
// out, use Revoke. If the store fails, the links of this node have ended nevertheless.
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

// Now returns the Store's time, with which values are signed. It does no I/O. See
// store.Store.
func (m *Manager) Now() time.Time { return m.store.Now() }

// Resolve returns the standing of an id that a request presents. See store.Store.
func (m *Manager) Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error) {
	return m.store.Resolve(ctx, id, a, client)
}

// Move renames the session: its id from becomes to. Move checks no signed value. The
// session's links end, and their clients reconnect. OnDetach is called for its readers
// under from, and OnAttach when they come back under to. Until a request presents to, and
// for Options.Retention at most, from still leads to the session for the client object
// named client (middleware.Identity.Client). It leads there for no other client, and for
// none if client is "". Session handles of from return store.ErrNotFound afterwards.
func (m *Manager) Move(ctx context.Context, from, to, client string) error {
	return m.Replace(ctx, from, to, store.Asked{}, client)
}

// Replace is Move for a request whose Validate replaced its id. If the request's value is
// not valid any more, the error is store.ErrRevoked or store.ErrMoved, and nothing has
// changed.
func (m *Manager) Replace(ctx context.Context, from, to string, a store.Asked, client string) error {
	return m.move(ctx, from, to, store.Moving{Asked: a, Client: client})
}

// Rotate is Replace that also revokes from, in the same step and for Options.Remember. No
// client is led from the old id to the new one.
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
		m.emitMoved(from, to, how)
	}
	m.reportMoved(s, from, left, values)
	return err
}
