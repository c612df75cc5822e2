package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A Manager is this process's part in the sessions of a Store: the links that live here and the application's callbacks. It is safe for
// concurrent use. It has no goroutine, and no timer unless a link or a session waits for a time. Make one with New.
type Manager struct {
	o       Options
	store   store.Store
	wheel   wheel
	sweeper alarm
	turns   turns
	intakes intakes
	ending  chan struct{} // one for each OnEnd of an expired session that runs

	start  time.Time       // zero of the links' clock
	ctx    context.Context // of the callbacks; ends with Shutdown
	cancel context.CancelFunc

	mu     sync.RWMutex
	local  map[string]*Session   // those with something here that needs one: links, departures
	former map[*Session]struct{} // those whose place in local another one has taken
	closed bool
	work   sync.WaitGroup // links, callbacks: all that Shutdown waits for
}

// maxEnding is how many calls of OnEnd for expired sessions run at once.
const maxEnding = 64

// New returns a Manager. Impossible options panic, with the remedy in the text.
func New(o Options) *Manager {
	o.check()
	o = o.withDefaults()
	o.checkRoom()
	m := &Manager{
		o: o, store: o.Store, start: time.Now().Add(-1),
		local: make(map[string]*Session), former: make(map[*Session]struct{}),
		turns: turns{held: make(map[turnKey]*turn)}, ending: make(chan struct{}, maxEnding),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.sweeper.ring = func() { m.spawn(m.sweep) }
	return m
}

// now is the links' clock: nanoseconds, above zero, and cheaper than time.Now.
func (m *Manager) now() int64 { return int64(time.Since(m.start)) }

// Options returns the options that the Manager was made with, and the defaults where they
// were zero. No duration is longer than a hundred years.
func (m *Manager) Options() Options { return m.o }

// MaxMessageSize is the bound on the Data of one message that the Manager was made with.
func (m *Manager) MaxMessageSize() int { return m.o.MaxMessageSize }

// Heartbeat is the longest silence of a stream that the Manager was made with; 0 if there is no bound.
func (m *Manager) Heartbeat() time.Duration { return max(0, m.o.Heartbeat) }

// Remember is Options.Remember, as it is completed: how long a revoked id stays revoked.
func (m *Manager) Remember() time.Duration { return m.o.Remember }

// Open returns the session id, and makes it if there is none. It then lives for the retention, and longer only by links.
func (m *Manager) Open(ctx context.Context, id string) (*Session, error) {
	if !m.enter() {
		return nil, ErrClosed
	}
	defer m.work.Done()
	s, err := m.acquireFresh(ctx, id, opening{create: true})
	if err != nil {
		return nil, err
	}
	defer m.release(s)
	return s, nil
}

// Send appends a message to the session id, and returns its position in the log:
// store.ErrNotFound without a session, store.ErrFull without room. A nil error says that
// it is in the log, and will reach every reader, or is told to it as a gap. It does not
// wait for any reader.
func (m *Manager) Send(ctx context.Context, id string, msg store.Message) (store.Position, error) {
	var at store.Position
	err := m.on(ctx, id, func(s *Session) (err error) {
		at, err = s.Send(ctx, msg)
		return err
	})
	return at, err
}

// SendTo is Send for one reader of the session. See Session.SendTo.
func (m *Manager) SendTo(ctx context.Context, id, reader string, msg store.Message) (store.Position, error) {
	var at store.Position
	err := m.on(ctx, id, func(s *Session) (err error) {
		at, err = s.SendTo(ctx, reader, msg)
		return err
	})
	return at, err
}

// Sent says what became of a broadcast.
type Sent struct {
	Sessions int      // how many logs took the message
	Full     []string // the ids of those that had no room
}

// Broadcast appends a message, which they share, to every session: once, also to one that
// gets another id meanwhile, or is joined to another session. It waits for no reader, and
// goes on where a log is full or has just ended: with OverflowRefuse, whoever is in
// Sent.Full does not get it, and nobody tells him. Another failure of the store ends it
// and is returned beside what was done until then.
func (m *Manager) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	var sent Sent
	if err := m.check(&msg); err != nil {
		return sent, err
	}
	if !m.open() {
		return sent, ErrClosed
	}
	if b, ok := m.store.(store.Broadcaster); ok {
		err := b.Broadcast(ctx, &msg, sent.count)
		return sent, err
	}
	for log, err := range m.store.Logs(ctx) {
		if err != nil {
			return sent, err
		}
		_, err := log.Append(ctx, &msg, "")
		if err := sent.count(log.ID(), err); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// count notes what became of the message in one session. It returns an error that ends
// the broadcast.
func (sent *Sent) count(id string, err error) error {
	switch {
	case err == nil:
		sent.Sessions++
	case errors.Is(err, store.ErrFull):
		sent.Full = append(sent.Full, id)
	case !over(err): // else it ended meanwhile
		return err
	}
	return nil
}

// over tells whether err says that the session is not there any more.
func over(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}

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
	s := m.here(id)
	ended, err := m.store.End(ctx, id, refuse)
	if err == nil || errors.Is(err, store.ErrNotFound) {
		s.markEnded()
	}
	if err == nil {
		m.ended(ended, nil)
	}
	return err
}

// Revalidate ends the links of the session id, on every node; their clients come back through the hooks of the middleware and lose nothing.
// Requests that are under way are told to come back, too, because their hook may have answered already.
// Without a session there is nothing to do, and nothing is remembered: if the hook of a request
// that is under way has answered already, its link begins, and lives for the transport's LinkAge.
// To keep a client out, Revoke. Where the store fails, the links of this node have ended all the
// same.
func (m *Manager) Revalidate(ctx context.Context, id string) error {
	if s := m.here(id); s != nil {
		for l := range s.all() {
			l.finish(EndRenewed)
		}
	}
	err := m.on(ctx, id, func(s *Session) error { return s.log.Renew(ctx) })
	if over(err) {
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

// Rotate is Replace that revokes from in the same step, for Options.Remember, and leaves no way
// from it to the new id.
func (m *Manager) Rotate(ctx context.Context, from, to string, a store.Asked) error {
	return m.move(ctx, from, to, store.Moving{Asked: a, Refuse: m.o.Remember + rememberMore})
}

func (m *Manager) move(ctx context.Context, from, to string, how store.Moving) error {
	how.Keep, how.Settle = m.o.Retention, store.Settle
	s := m.here(from)
	var values map[string]any
	left, err := m.store.Move(ctx, from, to, how)
	if err == nil && from != to {
		values = s.values() // while the links are here
		s.markEnded()
	}
	m.leave(s, from, left, values)
	return err
}

// here returns the session that this node has under the id, nil if it has none. One that
// is to die is looked up before the step that ends it: afterwards another one may have
// its id.
func (m *Manager) here(id string) *Session {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.local[id]
}

// lookup returns the session id if there is one.
func (m *Manager) lookup(ctx context.Context, id string) (*Session, error) {
	m.mu.RLock()
	s, closed := m.local[id], m.closed
	m.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if s != nil && !s.dead.Load() {
		return s, nil
	}
	log, _, err := m.store.Open(ctx, id, store.Asked{}, false, m.o.bounds())
	if err != nil {
		return nil, err
	}
	return &Session{m: m, id: id, log: log}, nil
}

// on runs f with the session id. Where f says that it is over, this node may not have heard of that yet, and another session may have the id.
func (m *Manager) on(ctx context.Context, id string, f func(*Session) error) error {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return err
	}
	if err = f(s); !over(err) {
		return err
	}
	s.markEnded() // does nothing to one that only lookup knows
	if s, err = m.lookup(ctx, id); err != nil {
		return err
	}
	return f(s)
}

// retryOnSuccessor is for a step that the log of s has refused because it is over, or
// does not know the link: another node may have ended the session and made the next one,
// without a word to this one. If the log that the store has under the id now grants the
// step, s is over, and next is registered here until a call of release.
func retryOnSuccessor[T any](ctx context.Context, s *Session, step func(store.Log) (T, error)) (next *Session, granted T, err error) {
	m := s.m
	log, _, err := m.store.Open(ctx, s.id, store.Asked{}, false, m.o.bounds())
	if err == nil {
		granted, err = step(log)
	}
	if err != nil {
		return nil, granted, err
	}
	if log.Handle() != s.log.Handle() { // else the step was granted at the second try
		s.markEnded()
	}
	return m.register(&Session{m: m, id: s.id, log: log}), granted, nil
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

// check tells whether the application may send msg.
func (m *Manager) check(msg *store.Message) error {
	if len(msg.Data) > m.o.MaxMessageSize {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(msg.Data), m.o.MaxMessageSize)
	}
	return store.CheckEvent(msg.Event)
}

// sweep ends the sessions whose retention has passed.
func (m *Manager) sweep() {
	for {
		due, err := m.store.Expired(m.ctx, 100)
		for _, l := range due.Left {
			m.missed(l)
		}
		for _, e := range due.Ended {
			m.expired(e)
		}
		found := len(due.Ended)+len(due.Left) > 0
		switch {
		case err != nil:
			m.o.Logger.Error("session: looking for expired sessions failed; trying again", "error", err)
			m.wheel.sooner(&m.sweeper, m.o.Retention/4)
			return
		case due.Next == 0 && !found:
			return
		case !found:
			m.wheel.sooner(&m.sweeper, due.Next)
			return
		}
	}
}

// ended tells the application of a session that is over.
func (m *Manager) ended(e store.Ended, value any) {
	if m.o.OnEnd != nil {
		m.call("OnEnd", func() { m.o.OnEnd(m.callbackContext(value), e) }, "session", e.ID)
	}
}

// expired is ended for a session that nobody has asked to end. Up to maxEnding calls run at once,
// so that slow ones do not delay the end of the other sessions.
func (m *Manager) expired(e store.Ended) {
	if m.o.OnEnd == nil {
		return
	}
	m.ending <- struct{}{}
	m.work.Go(func() { // sweep is counted in work, so Shutdown waits for this, too
		defer func() { <-m.ending }()
		m.ended(e, nil)
	})
}

// call runs a callback that nobody waits for an answer of. about says for the log whom it is about.
func (m *Manager) call(name string, f func(), about ...any) {
	defer func() {
		if v := recover(); v != nil {
			m.panicked(name, v, about...)
		}
	}()
	f()
}

// panicked logs the panic of a callback.
func (m *Manager) panicked(callback string, v any, about ...any) {
	m.o.Logger.Error("session: callback panicked", append([]any{"callback", callback, "panic", fmt.Sprint(v)}, about...)...)
}

// spawn runs f on a goroutine that Shutdown waits for.
func (m *Manager) spawn(f func()) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.closed {
		m.work.Go(f)
	}
}

// enter counts a call that Shutdown waits for, until work.Done.
func (m *Manager) enter() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return false
	}
	m.work.Add(1)
	return true
}

// open tells whether Shutdown has not begun.
func (m *Manager) open() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return !m.closed
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

// Shutdown ends the Manager. It takes no new links, tells the clients of the others to come back after a delay that is spread over them,
// and returns when every link has ended and every callback has returned. When ctx ends first, the context of the callbacks ends with it and
// Shutdown returns its error. A second call waits likewise.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	all := m.links()
	spread := min(10*time.Second, max(250*time.Millisecond, time.Duration(len(all))*2*time.Millisecond))
	for _, l := range all {
		l.Drain(rand.N(spread))
	}
	m.wheel.stop()
	done := make(chan struct{})
	go func() { m.work.Wait(); close(done) }()
	defer m.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
