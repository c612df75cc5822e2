package session

import (
	"context"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A Manager is this process's part in the sessions of a Store: the links that live here
// and the application's callbacks. It is safe for concurrent use. It has no goroutine,
// and no timer unless a link or a session waits for a time. Make one with New.
type Manager struct {
	o       Options
	store   store.Store
	clock   alarmClock
	sweeper alarm
	turns   turns
	intakes intakes
	ending  chan struct{} // one for each OnEnd of an expired session that runs

	start  time.Time       // zero of the links' clock
	ctx    context.Context // of the callbacks; ends with Shutdown
	cancel context.CancelFunc

	local registry // the sessions that this node knows

	mu     sync.RWMutex
	closed bool
	work   sync.WaitGroup // links, callbacks: all that Shutdown waits for
}

// New returns a Manager. Impossible options panic, with the remedy in the text.
func New(o Options) *Manager {
	o.check()
	o = o.withDefaults()
	o.checkRoom()
	m := &Manager{
		o: o, store: o.Store, start: time.Now().Add(-1),
		local: registry{local: make(map[string]*Session), former: make(map[*Session]struct{})},
		turns: turns{held: make(map[turnKey]*turn)}, ending: make(chan struct{}, maxEnding),
	}
	m.local.clock = &m.clock
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.sweeper.ring = func() { m.spawn(m.sweep) }
	return m
}

// now is the links' clock: nanoseconds, above zero, and cheaper than time.Now.
func (m *Manager) now() int64 { return int64(time.Since(m.start)) }

// Options returns the options that the Manager was made with, and the defaults where they
// were zero. No duration is longer than a hundred years.
func (m *Manager) Options() Options { return m.o }

// Remember is Options.Remember, as it is completed: how long a revoked id stays revoked.
func (m *Manager) Remember() time.Duration { return m.o.Remember }

// Open returns the session id, and makes it if there is none. It then lives for the
// retention, and longer only by links.
func (m *Manager) Open(ctx context.Context, id string) (*Session, error) {
	if !m.enter() {
		return nil, ErrClosed
	}
	defer m.work.Done()
	s, err := m.acquireFresh(ctx, id, opening{create: true})
	if err != nil {
		return nil, err
	}
	defer m.local.release(s)
	return s, nil
}
