package memory

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// topicCost is what a topic counts against the budget beside its messages, in bytes, and
// memberCost what a member of one counts beside its info.
const (
	topicCost  = 1024
	memberCost = 256
)

// memTopics are the topics of a Store, by their names.
type memTopics struct {
	mu    sync.RWMutex
	named map[string]*memTopic
	due   topicsDue // all of them, the one that may be forgotten first in front
}

// Topic implements store.TopicStore.
func (s *Store) Topic(name string, b store.TopicBounds) store.Topic {
	return &topicHandle{s: s, name: name, hash: store.TopicHash(name), bounds: b}
}

// A topicHandle is a topic by its name. It finds the topic that has the name.
type topicHandle struct {
	s      *Store
	name   string
	hash   uint32
	bounds store.TopicBounds
	last   atomic.Pointer[memTopic] // as far as it is known; it may be forgotten
}

// Name implements store.Topic.
func (h *topicHandle) Name() string { return h.name }

// find returns the topic with its lock held, or nil if there is none.
func (h *topicHandle) find() *memTopic {
	if t := h.last.Load(); t != nil {
		if t.mu.Lock(); !t.forgotten {
			t.rebound(h.bounds)
			return t
		}
		t.mu.Unlock()
	}

	h.s.topics.mu.RLock()
	t := h.s.topics.named[h.name]
	if t != nil {
		t.mu.Lock() // before anybody can forget it
	}
	h.s.topics.mu.RUnlock()
	if t != nil {
		t.rebound(h.bounds)
		h.last.Store(t)
	}
	return t
}

// rebound gives a topic of an earlier process the bounds that the program has now.
func (t *memTopic) rebound(b store.TopicBounds) {
	if !t.recovered {
		return
	}
	t.recovered, t.bounds = false, b
	for _, l := range []*topiclog.Log{t.log, t.ended} {
		if l != nil {
			l.SetBounds(b)
		}
	}
}

// A maker is on whose behalf a topic begins.
type maker uint8

const (
	forClient  maker = iota // a quarter of the budget is out of reach
	forServer               // as far as there is memory
	forWatcher              // in any case: its reader has joined, and must hear of what comes
)

// findOrMake returns the topic with its lock held. The error is ErrBudget if there is
// none, and no memory for one.
func (h *topicHandle) findOrMake(whom maker) (*memTopic, error) {
	if t := h.find(); t != nil {
		return t, nil
	}

	ts := &h.s.topics
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.named[h.name]
	if t == nil {
		switch {
		case whom == forWatcher:
			h.s.used.Add(topicCost)
		case whom == forClient && (h.s.isFull() || !h.s.has(h.s.budget/4)), !h.s.reserve(topicCost):
			return nil, store.ErrBudget
		}
		t = &memTopic{s: h.s, name: h.name, hash: h.hash, bounds: h.bounds, used: h.s.now()}
		ts.add(t)
	}
	t.mu.Lock()
	h.last.Store(t)
	return t, nil
}

// add adds a topic. The caller holds the lock, or nobody else has the store yet.
func (ts *memTopics) add(t *memTopic) {
	t.dueAt = t.used + int64(t.bounds.Age)
	if ts.named == nil {
		ts.named = make(map[string]*memTopic)
	}
	ts.named[t.name] = t
	heap.Push(&ts.due, t)
}

// newTopicEpoch returns a random epoch other than the one before.
func newTopicEpoch(before uint32) uint32 {
	for {
		if epoch := rand.Uint32N(store.TopicEpochs); epoch != 0 && epoch != before {
			return epoch
		}
	}
}

// tidyTopics forgets the topics that nobody has used for long enough, and lets old
// messages leave the others. It returns how long until it should be called again, or 0
// if there is no topic.
func (s *Store) tidyTopics() (next time.Duration) {
	ts := &s.topics
	ts.mu.Lock()
	var last uint64
	for now := s.now(); len(ts.due) > 0 && next == 0; {
		t := ts.due[0]
		if t.dueAt > now {
			next = time.Duration(t.dueAt - now)
			continue
		}
		t.mu.Lock()
		if t.tidy(now) {
			heap.Pop(&ts.due)
			delete(ts.named, t.name)
		} else {
			heap.Fix(&ts.due, 0)
		}
		last = max(last, t.release())
	}
	ts.mu.Unlock()
	s.commit(last)
	return next
}

// topicsDue is a heap of topics.
type topicsDue []*memTopic

func (h topicsDue) Len() int           { return len(h) }
func (h topicsDue) Less(i, j int) bool { return h[i].dueAt < h[j].dueAt }
func (h topicsDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *topicsDue) Push(x any)        { *h = append(*h, x.(*memTopic)) }

func (h *topicsDue) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return t
}
