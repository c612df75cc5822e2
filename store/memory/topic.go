package memory

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// memTopic is a topic in memory. Its epochs come one after another: each has a log of its
// own, and the one that has ended last stays for its readers.
type memTopic struct {
	s      *Store
	name   string
	hash   uint32
	bounds store.TopicBounds
	dueAt  int64 // when tidy looks at it; guarded by memTopics.mu

	mu        sync.Mutex
	forgotten bool
	log       *topiclog.Log // of the epoch; nil after End, until the next one begins
	ended     *topiclog.Log // of the epoch before, which has ended; nil if there is none
	used      int64         // when it was last used
	// what the two logs count against the budget, in bytes
	counted, endedBytes int64
	presence

	watchers atomic.Pointer[[]*topicWatcher] // copied on write

	recovered bool    // its bounds are those of an earlier process
	unsaved   *record // what the step has changed; nil for nothing
	base      uint32  // no earlier segment of the journal has anything that is needed of it
}

type topicWatcher struct{ wake func(store.TopicNews) }

// open returns the log of the epoch, which begins if there is none.
func (t *memTopic) open() *topiclog.Log {
	t.used = t.s.now()
	if t.log == nil {
		before := uint32(0)
		if t.ended != nil {
			before = t.ended.Epoch()
		}
		t.log = topiclog.New(t.hash, newTopicEpoch(before), t.bounds)
		t.noteBegan()
	}
	return t.log
}

// Publish implements store.Topic.
func (h *topicHandle) Publish(_ context.Context, p store.Publication) (store.TopicPosition, error) {
	t, err := h.findOrMake(forServer)
	if err != nil {
		return store.TopicPosition{}, store.ErrFull
	}
	at, err := t.publish(p)
	t.unlock()
	if err == nil {
		t.wake(store.TopicNewsEntries)
	}
	return at, err
}

func (t *memTopic) publish(p store.Publication) (store.TopicPosition, error) {
	l := t.open()
	if t.s.isFull() {
		return l.Position(), store.ErrFull
	}
	err := l.Append(p, t.used, func(bytes int64) bool {
		t.account(l)
		return t.s.has(bytes)
	})
	t.account(l)
	if err == nil {
		t.notePublished(&p)
	}
	return l.Position(), err
}

// account adjusts the budget to what the log of the epoch holds now.
func (t *memTopic) account(l *topiclog.Log) {
	if n := l.Bytes(); n != t.counted {
		t.s.used.Add(n - t.counted)
		t.counted = n
	}
}

// Position implements store.Topic.
func (h *topicHandle) Position(context.Context) (store.TopicPosition, error) {
	return h.position(forServer)
}

// Begin implements store.Topic.
func (h *topicHandle) Begin(context.Context) (store.TopicPosition, error) {
	return h.position(forClient)
}

func (h *topicHandle) position(whom maker) (store.TopicPosition, error) {
	t, err := h.findOrMake(whom)
	if err != nil {
		return store.TopicPosition{}, err
	}
	defer t.unlock()
	return t.open().Position(), nil
}

// Read implements store.Topic.
func (h *topicHandle) Read(
	_ context.Context, c *store.TopicCursor, max int, dst []store.TopicEntry,
) ([]store.TopicEntry, store.TopicTail, error) {
	t, err := h.findOrMake(forServer)
	if err != nil {
		return dst, store.TopicTail{}, err
	}
	defer t.unlock()

	if e := t.ended; e != nil && c.At.Epoch == e.Epoch() {
		t.expireEnded(t.s.now())
		dst, more := e.Read(c, max, dst)
		return dst, store.TopicTail{More: more, Ended: true}, nil
	}

	l := t.open()
	l.Expire(t.used)
	t.account(l)
	if c.At.Epoch != 0 && c.At.Epoch != l.Epoch() {
		dst = append(dst, store.TopicEntry{
			Epoch: l.Epoch(), Lost: store.Lost{From: c.At.Seq + 1}, Reason: store.MissingRestarted,
		})
		*c = store.TopicCursor{}
	}
	dst, more := l.Read(c, max, dst)
	return dst, store.TopicTail{More: more}, nil
}

// End implements store.Topic.
func (h *topicHandle) End(context.Context) error {
	t := h.find()
	if t == nil {
		return store.ErrNotFound
	}
	begun := t.log != nil
	if begun {
		t.s.used.Add(-t.endedBytes)
		t.ended, t.log = t.log, nil
		t.endedBytes, t.counted = t.counted, 0
		t.used = t.s.now()
		t.clear()
		t.noteEnded()
	}
	t.unlock()

	if !begun {
		return store.ErrNotFound
	}
	t.wake(store.TopicNewsEntries | store.TopicNewsMembers)
	return nil
}

// Watch implements store.Topic.
func (h *topicHandle) Watch(wake func(store.TopicNews)) (stop func()) {
	w := &topicWatcher{wake}
	t, _ := h.findOrMake(forWatcher) // never fails
	t.watch(func(all []*topicWatcher) []*topicWatcher { return append(slices.Clone(all), w) })
	t.mu.Unlock()

	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.used = t.s.now()
		t.watch(func(all []*topicWatcher) []*topicWatcher {
			return slices.DeleteFunc(slices.Clone(all), func(o *topicWatcher) bool { return o == w })
		})
	}
}

// watch replaces the list of watchers.
func (t *memTopic) watch(change func([]*topicWatcher) []*topicWatcher) {
	var all []*topicWatcher
	if p := t.watchers.Load(); p != nil {
		all = *p
	}
	all = change(all)
	t.watchers.Store(&all)
}

// wake calls the watchers. It is called without the lock.
func (t *memTopic) wake(news store.TopicNews) {
	if p := t.watchers.Load(); p != nil {
		for _, w := range *p {
			w.wake(news)
		}
	}
}

// expireEnded lets old messages leave the epoch that has ended.
func (t *memTopic) expireEnded(now int64) {
	if e := t.ended; e != nil {
		e.Expire(now)
		t.s.used.Add(e.Bytes() - t.endedBytes)
		t.endedBytes = e.Bytes()
	}
}

// tidy lets old messages leave, and reports whether the topic is forgotten because nobody
// has used it. Otherwise it sets dueAt. The locks of memTopics and the topic are held.
func (t *memTopic) tidy(now int64) bool {
	if t.log != nil {
		t.log.Expire(now)
		t.account(t.log)
	}
	t.expireEnded(now)

	watched := t.watchers.Load() != nil && len(*t.watchers.Load()) > 0
	if t.dueAt = t.used + int64(t.bounds.Age); t.dueAt > now {
		return false
	}
	if watched || len(t.members) > 0 {
		t.dueAt = now + int64(t.bounds.Age)
		return false
	}

	t.forgotten = true
	t.noteForgotten()
	t.s.used.Add(-topicCost - t.counted - t.endedBytes)
	return true
}
