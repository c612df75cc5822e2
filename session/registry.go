package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A registry has the sessions that this node knows, each for as long as somebody uses it:
// a link, a request, or a reader's departure. Every other Session is a handle alone.
//
//	handle ── register ──▶ live ── last release ──▶ lingering ── buckets full ──▶ gone
//	                       │ ▲                          │ │                        ▲
//	                       │ └───────── reuse ──────────┘ └─────── replaced ───────┤
//	                       ├── last release, buckets full ─────────────────────────┤
//	                       └── replaced ──▶ replaced ── last release ──────────────┘
//
// A lingering session is kept for its buckets alone: the next one of its id would begin
// with full ones. A replaced one has given its id and its buckets to another one, and is
// here for Shutdown to find its links.
//
// Whether the log has ended (Session.ended) stands beside this: it can happen in every
// state, and an ended session is reused by nobody, but hands on its buckets.
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

// registration is what the registry knows of a Session, guarded by its lock.
type registration struct {
	state  sessionState
	users  int32
	linger *alarm // made for the first time that it lingers
}

// moveLocked moves s to that state, or reports that it is gone then: the caller calls
// unwatch without the lock.
func (r *registry) moveLocked(s *Session, to sessionState) (gone bool) {
	if to == sessionReplaced && s.users == 0 { // it lingered, and what it was kept for is elsewhere
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

// find returns the session of that id, nil if there is none. One that is about to end is
// looked up before the step that ends it: afterwards another one may have its id.
func (r *registry) find(id string) *Session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.local[id]
}

// reuse returns the session of that id with one more user, nil if there is none or
// it has ended.
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

// register makes s the session of its id, with one user, unless there is one with the
// same log: then that has one more. One with another log has ended, or s has: its log
// will say so, and Shutdown finds the links of both. Either way the buckets are those of
// the id.
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

// hold adds a user to a session that has one.
func (r *registry) hold(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.users++
}

// release takes a user from the session. Without one it lingers until its
// buckets are full.
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

// lingered is called when the buckets of s should be full. It may have been used since.
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

// links returns every link here.
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

// untilFull is how long it takes until both buckets are full.
func (s *Session) untilFull() time.Duration {
	now := s.m.now()
	return max(s.rate.full(now, s.m.o.Rate), s.begun.full(now, s.m.o.LinkRate))
}

// watchLog lets the session be woken by its log, until unwatch.
func (s *Session) watchLog() { s.watch.Do(func() { s.stop = s.log.Watch(s.wake) }) }

// unwatch undoes watchLog, once nobody can call that any more.
func (s *Session) unwatch() {
	if s.stop != nil {
		s.stop()
	}
}

// markEnded notes that the log has ended, for that reason, so that nobody finds the
// session here. It must have: one that lives on would lose its parked links. Where a
// store that failed has ended it all the same, the next step says so. Whoever takes from
// a link finds out why it ended; nobody takes from a parked one. A nil Session has
// nothing to note.
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

// An opening says on whose word a session is looked up, and whether it is made if there
// is none.
type opening struct {
	asked  store.Asked
	create bool
	value  any // of the request, for OnOpen
}

// acquire returns the session id, registered here until a call of release. One that is
// here already is not asked for again: it may have ended, and what is asked may not count
// in it, which its log says at the next step.
func (m *Manager) acquire(ctx context.Context, id string, how opening) (*Session, error) {
	if !m.isOpen() {
		return nil, ErrClosed
	}
	if s := m.local.reuse(id); s != nil {
		return s, nil
	}
	return m.acquireFresh(ctx, id, how)
}

// acquireFresh is acquire that asks the store in any case.
func (m *Manager) acquireFresh(ctx context.Context, id string, how opening) (*Session, error) {
	log, created, err := m.store.Open(ctx, id, how.asked, how.create, m.o.bounds())
	if err != nil {
		return nil, err
	}
	s := m.local.register(&Session{m: m, id: id, log: log})
	m.clock.sooner(&m.sweeper, m.o.Retention) // a node that died may have left it without links
	if created && m.o.OnOpen != nil {
		s.order.do(func() { m.call("OnOpen", func() { m.o.OnOpen(m.callbackContext(how.value), s) }, "session", s.id) })
	}
	return s, nil
}

// lookup returns the session id if there is one, as a handle alone unless it is here.
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
