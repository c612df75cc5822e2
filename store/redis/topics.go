package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

var _ store.TopicStore = (*Store)(nil)

// topics has this node's replicas of topics, by their names.
type topics struct {
	s *Store

	mu       sync.RWMutex
	replicas map[string]*replica
	present  map[string]*presentHere // the topics with entrances of this node
	running  bool
	closed   bool

	cancel context.CancelFunc
	ctx    context.Context // ends with close
	done   sync.WaitGroup

	uncertain uncertainPublishes
}

// maxIdle is how many replicas are kept of topics that are not watched. One is dropped
// when it was not read from one look to the next.
const maxIdle = 256

func (ts *topics) init(s *Store) {
	ts.s, ts.replicas, ts.present = s, make(map[string]*replica), make(map[string]*presentHere)
	ts.ctx, ts.cancel = context.WithCancel(context.Background())
}

// Topic implements store.TopicStore.
func (s *Store) Topic(name string, b store.TopicBounds) store.Topic {
	b.Age = b.Age.Truncate(time.Microsecond) // Redis does not count in nanoseconds
	return &topicHandle{s: s, name: name, hash: store.TopicHash(name), shard: shardOf(escape(name)), bounds: b}
}

// A topicHandle is a topic by its name.
type topicHandle struct {
	s      *Store
	name   string
	hash   uint32
	shard  int
	bounds store.TopicBounds
	last   atomic.Pointer[replica] // as far as it is known; it may be dropped

	mu   sync.Mutex
	seen store.TopicPosition // the last position that Redis told
}

// Name implements store.Topic.
func (h *topicHandle) Name() string { return h.name }

// sees records a position that Redis told.
func (h *topicHandle) sees(p store.TopicPosition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.Epoch != h.seen.Epoch || p.Seq > h.seen.Seq {
		h.seen = p
	}
}

func (h *topicHandle) lastSeen() store.TopicPosition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen
}

// find returns the replica with its lock held, or nil if there is none.
func (h *topicHandle) find() *replica {
	if r := h.last.Load(); r != nil {
		if r.mu.Lock(); !r.dropped {
			return r
		}
		r.mu.Unlock()
	}

	ts := &h.s.topics
	ts.mu.RLock()
	r := ts.replicas[h.name]
	if r != nil {
		r.mu.Lock() // before anybody can drop it
	}
	ts.mu.RUnlock()
	if r != nil {
		h.last.Store(r)
	}
	return r
}

// findOrMake returns the replica with its lock held.
func (h *topicHandle) findOrMake() *replica {
	if r := h.find(); r != nil {
		return r
	}

	ts := &h.s.topics
	ts.mu.Lock()
	defer ts.mu.Unlock()
	r := ts.replicas[h.name]
	if r == nil {
		ts.dropIdleLocked()
		r = newReplica(h)
		ts.replicas[h.name] = r
		ts.startLocked()
	}
	r.mu.Lock()
	h.last.Store(r)
	return r
}

// dropIdleLocked makes room for one more replica.
func (ts *topics) dropIdleLocked() {
	idle := 0
	for _, r := range ts.replicas {
		if r.watched() {
			continue
		}
		if idle++; idle >= maxIdle {
			ts.dropLocked(r)
			return
		}
	}
}

// dropLocked drops a replica that nobody watches.
func (ts *topics) dropLocked(r *replica) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.watched() {
		r.dropped = true
		delete(ts.replicas, r.h.name)
	}
}

// close ends the goroutine, and waits for it.
func (ts *topics) close() {
	ts.mu.Lock()
	ts.closed = true
	ts.mu.Unlock()
	ts.cancel()
	ts.done.Wait()
	ts.vacate()
}
