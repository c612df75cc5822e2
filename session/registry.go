package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A registry holds the sessions that this node knows, each for as long as it has a user:
// a link, a request, or a reader's departure. Every other Session is only a handle.
//
//	handle ── register ──▶ live ── last release ──▶ lingering ── buckets full ──▶ gone
//	                       │ ▲                          │ │                        ▲
//	                       │ └───────── reuse ──────────┘ └─────── replaced ───────┤
//	                       ├── last release, buckets full ─────────────────────────┤
//	                       └── replaced ──▶ replaced ── last release ──────────────┘
//
// A lingering session is kept only for its buckets: without it, the next session of its
// id would begin with full ones. A replaced session has given its id and its buckets to
// another one. It is kept so that Shutdown finds its links.
//
// Whether the log has ended (Session.ended) is separate: it can happen in every state. An
// ended session is not reused, but hands on its buckets.
type registry struct {
	clock *alarmClock

	mu     sync.RWMutex
	local  map[string]*Session   // by id: live or lingering
	former map[*Session]struct{} // replaced
}

type sessionState uint8

const (
	sessionHandle sessionState = iota
	sessionLive
	sessionLingering
	sessionReplaced
	sessionGone
)

// registration is the registry's part of a Session, guarded by the registry's lock.
type registration struct {
	state  sessionState
	users  int32
	linger *alarm // made when it first lingers
}

// moveLocked moves s to that state. It reports whether s is gone then: the caller must
// call unwatch after it has released the lock.
func (r *registry) moveLocked(s *Session, to sessionState) (gone bool) {
	if to == sessionReplaced && s.users == 0 { // it lingered, and its buckets have been handed on
		to = sessionGone
	}
	s.state = to

	switch to {
	case sessionLive:
		r.local[s.id] = s
	case sessionLingering:
		if s.linger == nil {
			s.linger = &alarm{ring: func() { r.lingered(s) }}
		}
		r.clock.sooner(s.linger, s.untilFull())
	case sessionReplaced:
		r.former[s] = struct{}{}
	case sessionGone:
		delete(r.former, s)
		if r.local[s.id] == s {
			delete(r.local, s.id)
		}
	}
	return to == sessionGone
}

// find returns the session of that id, or nil if there is none. To end a session, find it
// before the step that ends it: afterwards another session may have the id.
func (r *registry) find(id string) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.local[id]
}

// reuse returns the session of that id with one more user, or nil if there is none or it
// has ended.
func (r *registry) reuse(id string) *Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.local[id]
	if s == nil || s.ended.Load() {
		return nil
	}
	r.useLocked(s)
	return s
}

// register makes s the session of its id, with one user, and returns it. If there is a
// session with the same log, register returns that one, with one more user. If there is
// one with another log, one of the two has ended: its log will say so, and Shutdown finds
// the links of both. In each case the session returned has the buckets of the id.
func (r *registry) register(s *Session) *Session {
	r.mu.Lock()
	have := r.local[s.id]
	if have != nil && !have.ended.Load() && have.log.Handle() == s.log.Handle() {
		r.useLocked(have)
		r.mu.Unlock()
		return have
	}
	gone := false
	if have != nil {
		s.rate.inherit(&have.rate)
		s.begun.inherit(&have.begun)
		s.joins.inherit(&have.joins)
		gone = r.moveLocked(have, sessionReplaced)
	}
	r.useLocked(s)
	r.mu.Unlock()

	have.markEnded(EndOver)
	if gone {
		have.unwatch()
	}
	return s
}

func (r *registry) useLocked(s *Session) {
	s.users++
	if s.state != sessionLive {
		r.moveLocked(s, sessionLive)
	}
}

// hold adds a user to a session that already has one.
func (r *registry) hold(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.users++
}

// release removes a user from the session. Without users it lingers until its buckets are
// full.
func (r *registry) release(s *Session) {
	r.mu.Lock()
	s.users--
	gone := false
	switch {
	case s.users > 0:
	case s.state == sessionLive && s.untilFull() > 0:
		r.moveLocked(s, sessionLingering)
	default:
		gone = r.moveLocked(s, sessionGone)
	}
	r.mu.Unlock()

	if gone {
		s.unwatch()
	}
}

// lingered is called when the buckets of s should be full. s may have been used since.
func (r *registry) lingered(s *Session) {
	r.mu.Lock()
	gone := false
	switch {
	case s.state != sessionLingering:
	case s.untilFull() > 0:
		r.moveLocked(s, sessionLingering)
	default:
		gone = r.moveLocked(s, sessionGone)
	}
	r.mu.Unlock()

	if gone {
		s.unwatch()
	}
}

// links returns every link on this node.
func (r *registry) links() []*Link {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []*Link
	for _, s := range r.local {
		all = slices.AppendSeq(all, s.all())
	}
	for s := range r.former {
		all = slices.AppendSeq(all, s.all())
	}
	return all
}

// untilFull returns how long it takes until all buckets are full.
func (s *Session) untilFull() time.Duration {
	now := s.m.now()
	return max(s.rate.full(now, s.m.o.Rate), s.begun.full(now, s.m.o.LinkRate), s.joins.full(now, s.m.o.Rate))
}

// watchLog makes the log wake the session's links, until unwatch.
func (s *Session) watchLog() { s.watch.Do(func() { s.stop = s.log.Watch(s.wake) }) }

// unwatch undoes watchLog. It is called once watchLog cannot be called any more.
func (s *Session) unwatch() {
	if s.stop != nil {
		s.stop()
	}
}

// markEnded records that the log has ended, for that reason: the session is not found
// here any more. The log must really have ended, because a session that lives on would
// lose its parked links. If a store failed but has ended the log nevertheless, the next
// step finds out. markEnded closes the parked links. The others learn in Take why they
// ended. It does nothing for a nil Session.
func (s *Session) markEnded(why End) {
	if s == nil {
		return
	}
	s.ended.Store(true)
	for l := range s.all() {
		if l.end.state() == linkParked {
			l.finish(why, 0)
		}
	}
}

// An opening says for which request a session is looked up, and whether it is made if
// there is none.
type opening struct {
	asked  store.Asked
	create bool
	value  any // of the request, for OnOpen
}

// acquire returns the session id, registered here until release is called. A session that
// is here already is not looked up in the store. It may have ended, or refuse the
// request: its log says so at the next step.
func (m *Manager) acquire(ctx context.Context, id string, how opening) (*Session, error) {
	if !m.isOpen() {
		return nil, ErrClosed
	}
	if s := m.local.reuse(id); s != nil {
		return s, nil
	}
	return m.acquireFresh(ctx, id, how)
}

// acquireFresh is acquire that always asks the store.
func (m *Manager) acquireFresh(ctx context.Context, id string, how opening) (*Session, error) {
	log, created, err := m.store.Open(ctx, id, how.asked, how.create, m.o.bounds())
	if err != nil {
		return nil, err
	}
	s := m.local.register(&Session{m: m, id: id, log: log})
	m.clock.sooner(&m.sweeper, m.o.Retention) // a node that died may have left it without links
	if created {
		m.emit(Event{Kind: EventSessionOpened, Session: id})
	}
	if created && m.o.OnOpen != nil {
		s.order.do(func() {
			m.call("OnOpen", func() { m.o.OnOpen(m.callbackContext(how.value), s) }, "session", m.logID(s.id))
		})
	}
	return s, nil
}

// lookup returns the session id if there is one. It is only a handle unless the session
// is registered here.
func (m *Manager) lookup(ctx context.Context, id string) (*Session, error) {
	if !m.isOpen() {
		return nil, ErrClosed
	}
	if s := m.local.find(id); s != nil && !s.ended.Load() {
		return s, nil
	}
	log, _, err := m.store.Open(ctx, id, store.Asked{}, false, m.o.bounds())
	if err != nil {
		return nil, err
	}
	return &Session{m: m, id: id, log: log}, nil
}
