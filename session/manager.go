package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A Manager is one process's part in the sessions of a Store: the links on this node, and
// the application's callbacks. It is safe for concurrent use. It has no goroutine while
// idle, and a timer only while a link or a session waits for a time. Make one with New.
type Manager struct {
	o       Options
	store   store.Store
	clock   alarmClock
	sweeper alarm
	turns   turns
	intakes intakes
	tracer  Tracer        // the Observer, if it is one
	hooks   chan struct{} // holds one element for each running OnJoin
	joining atomic.Int64  // joins that wait or run
	ending  chan struct{} // holds one element for each running OnEnd of an expired session

	start  time.Time       // zero of the links' clock
	ctx    context.Context // of the callbacks; ends with Shutdown
	cancel context.CancelFunc

	local  registry      // the sessions that this node knows
	remote remoteHandles // sessions that this node only sends to
	hubs   hubs          // the topics that links of this node read

	mu     sync.RWMutex // makes closed and what is added to work one step
	closed atomic.Bool
	work   sync.WaitGroup // links, callbacks: all that Shutdown waits for
}

// firstSweep is when a Manager first looks for sessions of an earlier process that are
// over. A Store gives their readers about so long to come back.
const firstSweep = 10 * time.Second

// New returns a Manager. It panics if an option is invalid, and the text says how to
// correct it.
func New(o Options) *Manager {
	inherits := o.Store != nil // perhaps sessions of an earlier process
	o.check()
	o = o.withDefaults()
	o.checkRoom()
	m := &Manager{
		o: o, store: o.Store, start: time.Now().Add(-1),
		local: registry{local: make(map[string]*Session), former: make(map[*Session]struct{})},
		turns: turns{held: make(map[turnKey]*turn)}, ending: make(chan struct{}, maxEnding),
	}
	m.local.clock = &m.clock
	m.tracer, _ = m.o.Observer.(Tracer)
	m.hooks = make(chan struct{}, m.o.MaxHooks)
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.sweeper.ring = func() { m.spawn(m.sweep) }
	if inherits {
		m.clock.sooner(&m.sweeper, firstSweep)
	}
	return m
}

// now returns the time of the links' clock, in nanoseconds and above zero. It is cheaper
// than time.Now.
func (m *Manager) now() int64 { return int64(time.Since(m.start)) }

// Options returns the Manager's options, with the defaults filled in. No duration is
// longer than a hundred years.
func (m *Manager) Options() Options { return m.o }

// Remember returns Options.Remember with its default filled in. A revoked id stays
// revoked for an hour longer than that.
func (m *Manager) Remember() time.Duration { return m.o.Remember }

// Open returns the session id, and makes it if there is none. A new session ends after
// Options.Retention unless a link begins.
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
