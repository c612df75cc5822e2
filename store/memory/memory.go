package memory

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"log/slog"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Store is the store.Store that keeps everything in the memory of this process. It is the
// fastest, and its content is lost with the process. After a restart, every client that
// comes back gets store.MissingRestarted. Append, Read, Ack, Begin and Commit of its Logs
// neither wait nor allocate, except when a log grows. Store is safe for concurrent use.
// Make one with New.
type Store struct {
	boot   uint32        // the upper half of every epoch; see newEpoch
	start  time.Time     // the zero of the logs' clock
	clock  memClock      // for signing and revocation
	epochs atomic.Uint64 // counts those that were given out
	budget int64
	used   atomic.Int64
	log    *slog.Logger
	warned sync.Once

	broadcasts atomic.Int64 // how many are in progress

	mu     sync.RWMutex
	logs   map[string]*memLog
	ids    memIDs
	over   memRevoked
	topics memTopics
	bounds *store.Bounds // of the last session made: usually all sessions have the same

	journal   *journaling  // nil without one
	abandoned []store.Left // readers of an earlier process, for Expired; guarded by mu
	reportAt  atomic.Int64 // when Expired reports those that have not come back; 0 if there are none

	// The logs without links, the one that has been so for longest first. idleMu is a
	// leaf: it is taken while a log's lock is held.
	idleMu sync.Mutex
	idle   list.List
}

// sessionCost is what a session without messages counts against the budget, in bytes:
// more than it takes with a reader, a link and a writer.
const sessionCost = 1024

// Options configure a Store. The zero value is ready to use.
type Options struct {
	// Budget bounds the memory of all sessions together, in bytes: the Size of messages,
	// about 1 KiB for each session, 0.4 KiB more once it had a message with Key or TTL,
	// 0.4 KiB for each reader beyond the first, and 0.25 KiB for each id that was revoked
	// or moved. Zero means 256 MiB. Negative means no bound.
	//
	// New sessions are refused with store.ErrBudget in the last quarter of it, and new
	// readers in the last eighth, which is for messages. Ids may take half of the budget,
	// even if messages already use that half: both together then exceed the budget by up
	// to half, until messages leave. Beyond that half, End with refuse and Move return
	// store.ErrBudget and change nothing: if an earlier revocation were forgotten
	// instead, its values would be valid again.
	Budget int64
	// Logger gets one warning when ids take a quarter of the budget. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Budget == 0 {
		o.Budget = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}

	now := time.Now()
	return &Store{
		boot:   uint32(random()) | 1, // an epoch is never zero
		start:  now,
		clock:  memClock{start: now},
		budget: o.Budget,
		log:    o.Logger,
		logs:   make(map[string]*memLog),
		ids:    memIDs{states: make(map[string]*memID)},
	}
}

// random returns 64 random bits, never zero.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return max(1, binary.LittleEndian.Uint64(b[:]))
}

// newEpoch returns an epoch that no log of this store has had, in 2^32 of them. The upper
// half tells that the store was not lost since.
func (s *Store) newEpoch() uint64 {
	low := uint32(s.epochs.Add(1)) * 0x9e3779b1 // odd, so that each number is another one
	return uint64(s.boot)<<32 | uint64(low^bits.Reverse32(s.boot))
}

func (s *Store) now() int64 { return int64(time.Since(s.start)) }

// tick returns now in ticks.
func (s *Store) tick() uint32 { return uint32(s.now() / tick) }

// reserve takes n bytes from the budget, and reports whether they were available. It
// never fails for a negative n, which gives bytes back.
func (s *Store) reserve(n int64) bool {
	if used := s.used.Add(n); n > 0 && s.budget >= 0 && used+s.ids.bytes.Load() > s.budget {
		s.used.Add(-n)
		return false
	}
	return true
}

// has reports whether n bytes of the budget are left at this moment.
func (s *Store) has(n int64) bool {
	return n <= 0 || s.budget < 0 || s.used.Load()+s.ids.bytes.Load()+n <= s.budget
}

// remembers reports whether there is room for the states of two more ids, which may take
// half of the budget. A valid state is never evicted for another one.
func (s *Store) remembers() bool {
	return s.budget < 0 || s.ids.bytes.Load() <= s.budget/2
}

// Now implements Store.
func (s *Store) Now() time.Time { return time.Unix(0, s.clock.read()) }

// Open implements Store.
func (s *Store) Open(
	_ context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	s.mu.RLock()
	l := s.logs[id]
	if l != nil {
		defer s.mu.RUnlock()
		return l.opened(a, &b)
	}
	s.mu.RUnlock()

	// Between the two locks another goroutine may have made it.
	s.mu.Lock()
	if l = s.logs[id]; l != nil {
		defer s.mu.Unlock()
		return l.opened(a, &b)
	}
	made, err := s.openNew(id, a, create, b)
	if err != nil {
		s.mu.Unlock()
		return nil, false, err
	}
	mark := s.saveStep(made)
	s.mu.Unlock()
	s.commit(mark)
	return made.handle, true, nil
}

// opened returns the log's handle if the request is valid in it. It is called with the
// store's lock held, without which no log gets another id.
func (l *memLog) opened(a store.Asked, b *store.Bounds) (store.Log, bool, error) {
	l.mu.Lock() // for Renew
	defer l.mu.Unlock()
	if err := l.refuse(a); err != nil {
		return nil, false, err
	}
	if l.saved != nil && l.saved.recovered { // the program may have other options now
		l.saved.recovered = false
		if b.Retention != 0 && *b != *l.bounds {
			l.bounds = b
		}
	}
	return l.handle, false, nil
}

// openNew makes the session id, which must not exist.
func (s *Store) openNew(id string, a store.Asked, create bool, b store.Bounds) (*memLog, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	now := s.clock.read()
	st := s.ids.states[id]
	switch err := st.refuse(a, now); {
	case err != nil:
		return nil, err
	case st.settling(a.Came):
		return nil, store.ErrMoved
	case !create:
		return nil, store.ErrNotFound
	// The last quarter is for sessions that exist, so that strangers cannot take all.
	case !s.has(s.budget/4) || s.isFull() || !s.reserve(sessionCost):
		return nil, store.ErrBudget
	}

	if s.bounds == nil || *s.bounds != b {
		s.bounds = &b
	}
	first := random() >> 12
	l := &memLog{
		store:    s,
		epoch:    s.newEpoch(),
		bounds:   s.bounds,
		logState: logState{floor: 1, first: first, number: first},
	}
	if s.journal != nil {
		l.saved = new(savedLog)
	}
	l.own = memHandle{l, &openedAs{id: id}}
	l.handle = &l.own
	if st != nil {
		l.bar, l.since = st.revoked(now), st.settledAt
	}

	s.logs[id] = l
	l.markIdle()
	return l, nil
}

// Resolve implements Store.
func (s *Store) Resolve(_ context.Context, id string, a store.Asked, client string) (store.Standing, error) {
	now := s.clock.read()

	s.mu.RLock()
	st := s.ids.states[id]
	if st == nil {
		s.mu.RUnlock()
		return store.Standing{ID: id}, nil
	}

	if st.led > 0 && !a.Named && st.refuse(a, now) == nil { // its holder has the new id: the old ones end
		s.mu.RUnlock()
		s.mu.Lock()
		s.ids.settle(st)
		mark := s.saveStep()
		s.mu.Unlock()
		s.commit(mark)
		s.mu.RLock()
	}
	defer s.mu.RUnlock()

	is := store.Standing{ID: id, Quiet: st.quiet(a.Came, now)}
	switch err := st.refuse(a, now); err {
	case nil:
		is.ID = s.ids.find(id, client, now)
	case store.ErrMoved:
		is.State = store.StateSettling
	default:
		is.State = store.StateRevoked
	}
	return is, nil
}

// End implements Store.
func (s *Store) End(_ context.Context, id string, refuse time.Duration) (store.Ended, error) {
	defer s.warnOfIDs()
	s.mu.Lock()
	if err := s.refused(); err != nil {
		s.mu.Unlock()
		return store.Ended{}, err
	}
	why := store.ErrNotFound
	if refuse > 0 {
		at := s.clock.stamp()
		s.ids.tidy(at)
		if !s.remembers() {
			s.mu.Unlock()
			return store.Ended{}, store.ErrBudget
		}
		st := s.ids.change(id)
		st.revoke(at, refuse)
		s.ids.settle(st)
		s.ids.forgetWay(st)
		st.settledAt = 0
		why = store.ErrRevoked
	}

	l := s.logs[id]
	if l == nil {
		mark := s.saveStep()
		s.mu.Unlock()
		s.commit(mark)
		return store.Ended{}, store.ErrNotFound
	}

	l.mu.Lock()
	delete(s.logs, id)
	ended := l.endLocked(why)
	if refuse > 0 {
		s.over.add(ended.Epoch, id, s.now())
	}
	mark := s.saveStep(l)
	l.mu.Unlock()
	s.mu.Unlock()
	s.commit(mark)
	l.wake()
	return ended, nil
}

// Expired implements Store.
func (s *Store) Expired(_ context.Context, max int) (store.Due, error) {
	due := store.Due{Next: s.tidyTopics()}
	left, wait := s.stillAway()
	due.Left, due.Next = left, sooner(due.Next, wait)
	for len(due.Ended) < max {
		l, wait := s.oldestIdle()
		if l == nil {
			return due, nil
		}
		if wait > 0 {
			due.Next = sooner(due.Next, wait)
			return due, nil
		}

		s.mu.Lock()
		over, mark, ok := l.expire()
		if ok { // otherwise a link came, or another caller was faster
			delete(s.logs, over.ID)
			due.Ended = append(due.Ended, over)
		}
		s.mu.Unlock()
		s.commit(mark)
	}

	due.Next = 1 // there may be more at once
	return due, nil
}

// sooner returns the shorter of two times, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// oldestIdle returns the log that has been without links for longest, and how long it may
// still live. The log is nil if all have links.
func (s *Store) oldestIdle() (*memLog, time.Duration) {
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	front := s.idle.Front()
	if front == nil {
		return nil, 0
	}
	rest := front.Value.(*idleLog)
	return rest.log, time.Duration(rest.until - s.now())
}

// all returns all logs.
func (s *Store) all() []*memLog {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*memLog, 0, len(s.logs))
	for _, l := range s.logs {
		all = append(all, l)
	}
	return all
}

// Broadcast implements store.Broadcaster.
func (s *Store) Broadcast(_ context.Context, m *store.Message, done func(id string, err error) error) error {
	s.broadcasts.Add(1)
	defer s.broadcasts.Add(-1)
	at, t := s.tick(), s.lifetime(m)
	for i, l := range s.all() {
		if i%256 == 255 { // not more often: reading the clock costs a tenth of the rest
			at = s.tick()
		}
		if err := done(l.broadcast(m, at, t)); err != nil {
			return err
		}
	}
	return nil
}

// Logs implements Store.
func (s *Store) Logs(context.Context) iter.Seq2[store.Log, error] {
	return func(yield func(store.Log, error) bool) {
		s.broadcasts.Add(1)
		defer s.broadcasts.Add(-1)
		for _, l := range s.all() {
			if !yield(&memHandle{l, &openedAs{any: true}}, nil) {
				return
			}
		}
	}
}
