package session

import (
	"context"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// here returns the session that this node has under the id, nil if it has none. One that
// is to die is looked up before the step that ends it: afterwards another one may have
// its id.
func (m *Manager) here(id string) *Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.local[id]
}

// An opening says on whose word a session is looked up, and whether it is made if there is none.
type opening struct {
	asked  store.Asked
	create bool
	value  any // of the request, for OnOpen
}

// acquire returns the session id, registered here until as many calls of release. One that this
// node has already is not asked for again: it may be over, and what is asked may not count in it,
// which its log says at the next step.
func (m *Manager) acquire(ctx context.Context, id string, how opening) (*Session, error) {
	if s, err := m.reuse(id); s != nil || err != nil {
		return s, err
	}
	return m.acquireFresh(ctx, id, how)
}

// acquireFresh is acquire that asks the store in any case.
func (m *Manager) acquireFresh(ctx context.Context, id string, how opening) (*Session, error) {
	log, created, err := m.store.Open(ctx, id, how.asked, how.create, m.o.bounds())
	if err != nil {
		return nil, err
	}
	s := m.register(&Session{m: m, id: id, log: log})
	m.wheel.sooner(&m.sweeper, m.o.Retention) // it may rest already, left by a node that died
	if created && m.o.OnOpen != nil {
		s.order.do(func() { m.call("OnOpen", func() { m.o.OnOpen(m.callbackContext(how.value), s) }, "session", s.id) })
	}
	return s, nil
}

func (m *Manager) reuse(id string) (*Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	if s := m.local[id]; s != nil && !s.dead.Load() {
		s.refs++
		return s, nil
	}
	return nil, nil
}

// register makes s the local session of its id, unless there is one with the same log.
// One with another log is over, or s is: its log will say so, and Shutdown finds the
// links of both. Either way the buckets are those of the id.
func (m *Manager) register(s *Session) *Session {
	m.mu.Lock()
	have := m.local[s.id]
	if have != nil && !have.dead.Load() && have.log.Handle() == s.log.Handle() {
		defer m.mu.Unlock()
		have.refs++
		return have
	}
	s.refs = 1
	if have != nil {
		s.rate.inherit(&have.rate)
		s.begun.inherit(&have.begun)
	}
	m.local[s.id] = s
	if have != nil {
		m.former[have] = struct{}{}
	}
	m.mu.Unlock()
	if have != nil {
		have.markEnded()
	}
	return s
}

func (m *Manager) release(s *Session) {
	m.mu.Lock()
	s.refs--
	last := s.refs == 0
	if last {
		delete(m.former, s)
		if m.local[s.id] == s {
			delete(m.local, s.id)
		}
	}
	m.mu.Unlock()
	if last && s.stop != nil {
		s.stop()
	}
}

// links returns every link here.
func (m *Manager) links() []*Link {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var all []*Link
	for _, s := range m.local {
		all = slices.AppendSeq(all, s.all())
	}
	for s := range m.former {
		all = slices.AppendSeq(all, s.all())
	}
	return all
}

// hold keeps the session registered here until one more release.
func (m *Manager) hold(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.refs++
}

// letGo releases a session that has sent something or begun a link. Unless a link keeps
// it here, or somebody does for that long, it stays until its buckets are full again: the
// next one of its id would begin with full ones.
func (m *Manager) letGo(s *Session, held time.Duration) {
	if s.links.Load() != nil {
		m.release(s)
		return
	}
	now := m.now()
	wait := max(s.rate.full(now, m.o.Rate), s.begun.full(now, m.o.LinkRate))
	if wait <= held {
		m.release(s)
		return
	}
	m.mu.Lock()
	first := !s.lingers
	s.lingers = true
	m.mu.Unlock()
	if !first {
		m.release(s)
		return
	}
	if s.linger == nil {
		s.linger = &alarm{ring: func() {
			m.mu.Lock()
			s.lingers = false
			m.mu.Unlock()
			m.release(s)
		}}
	}
	m.wheel.set(s.linger, wait)
}

// markEnded notes that the log is over, so that nobody finds the session here. It must
// be: one that lives on would lose its parked links. Where a store that failed has ended
// it all the same, the next step says so. Who takes from a link finds out why it ended;
// nobody does so from a parked one. A nil Session has nothing to note.
func (s *Session) markEnded() {
	if s == nil {
		return
	}
	s.dead.Store(true)
	for l := range s.all() {
		if l.parked.Load() {
			l.Close()
		}
	}
}

// watchLog lets the session be woken by its log.
func (s *Session) watchLog() { s.watch.Do(func() { s.stop = s.log.Watch(s.wake) }) }
