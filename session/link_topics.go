package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// linkTopics is what a link reads beside its session's log. A link without any has none.
type linkTopics struct {
	news  atomic.Bool  // a topic has news, or there is a notice
	waits atomic.Int64 // since when an acknowledgement may be missing; 0 if none is

	// Owned by the goroutine that calls Take.
	version   uint64                // of the memberships in the log, as they are here
	presented []store.TopicPosition // by the client, for topics that it will read
	vector    []store.TopicPosition // what a plain client has, in every topic that it had
	turn      int                   // which topic is read first
	entries   []store.TopicEntry    // memory of Read
	acks      []store.TopicPosition // that were presented, and are to be recorded

	mu      sync.Mutex // guards what follows against close, which may come at any time
	closed  bool
	all     []*linkTopic
	notices []store.TopicNotice
}

// topicsOf returns the link's topics, which are made if there are none.
func (l *Link) topicsOf() *linkTopics {
	if t := l.topics.Load(); t != nil {
		return t
	}
	l.topics.CompareAndSwap(nil, &linkTopics{})
	return l.topics.Load()
}

// present records the positions that the client presented.
func (l *Link) present(at []store.TopicPosition) {
	t := l.topicsOf()
	if t.presented = at[:min(len(at), MaxTopics)]; l.Plain {
		t.presented = at[:min(len(at), MaxTopicsPlain)]
		t.vector = slices.Clone(t.presented)
	}
}

// Presented returns the positions in topics that the client presented: hello echoes them.
func (l *Link) Presented() []store.TopicPosition {
	if t := l.topics.Load(); t != nil {
		return t.presented
	}
	return nil
}

// wakeForTopics wakes the link because a topic has news.
func (l *Link) wakeForTopics() {
	if t := l.topics.Load(); t != nil && !t.news.Load() {
		t.news.Store(true)
		l.wake()
	}
}

// notify tells the client why it is not a member of a topic. A client that asks for more
// than it takes answers to is not told everything.
func (l *Link) notify(n store.TopicNotice) {
	t := l.topicsOf()
	t.mu.Lock()
	if len(t.notices) < 2*MaxTopics {
		t.notices = append(t.notices, n)
	}
	t.mu.Unlock()
	l.wakeForTopics()
}

// closeTopics ends what the link reads. A Take that runs at the same time finds nothing
// more.
func (l *Link) closeTopics() {
	t := l.topics.Load()
	if t == nil {
		return
	}
	t.mu.Lock()
	t.closed = true
	all := t.all
	t.all = nil
	t.mu.Unlock()
	for _, lt := range all {
		lt.close(l.departing())
	}
}

// dropTopic stops reading a topic.
func (l *Link) dropTopic(t *linkTopics, lt *linkTopic) {
	t.mu.Lock()
	i := slices.Index(t.all, lt)
	if i >= 0 {
		t.all = append(t.all[:i:i], t.all[i+1:]...) // Take may be walking the old one
	}
	t.mu.Unlock()
	if i >= 0 {
		lt.close(departLeft)
	}
	t.presented = slices.DeleteFunc(slices.Clone(t.presented), lt.owns)
}

// refreshTopics brings what the link reads up to date with the memberships in the log.
func (l *Link) refreshTopics(ctx context.Context, t *linkTopics) error {
	of, err := l.s.log.Topics(ctx, l.Hello.Link)
	if err != nil {
		return err
	}

	t.mu.Lock()
	t.addNoticesLocked(of.Notices)
	all := t.all
	t.mu.Unlock()

	for _, lt := range all {
		if !slices.ContainsFunc(of.Joined, func(j store.TopicJoined) bool { return j.Topic == lt.hub.name }) {
			lt.leaving = true
			lt.news.Or(newsEntries)
		} else {
			lt.removed = false // it has joined again since
		}
	}
	for i := range of.Joined { // one that fails does not keep the client from the others
		if failure := l.openTopic(ctx, t, &of.Joined[i]); failure != nil {
			err = failure
		}
	}
	if err != nil {
		return err
	}
	t.version = of.Version
	if l.Plain {
		t.boundVector()
	}
	return nil
}

// addNoticesLocked takes over notices of the log. From a topic of which one tells, the
// client gets nothing more, not even the rest if the topic has ended.
func (t *linkTopics) addNoticesLocked(notices []store.TopicNotice) {
	t.notices = append(t.notices, notices...)
	for _, lt := range t.all {
		lt.removed = lt.removed || slices.ContainsFunc(notices, func(n store.TopicNotice) bool {
			return n.Topic == lt.hub.name
		})
	}
}

// arrived reports whether the client has what it was told at a position. Otherwise the
// response of a poll was lost.
func (t *linkTopics) arrived(at store.TopicPosition) bool {
	return slices.ContainsFunc(t.presented, func(p store.TopicPosition) bool {
		return p.Topic == at.Topic && p.Epoch == at.Epoch && p.Seq >= at.Seq
	})
}

// boundVector drops positions in topics that a plain client does not read, but no more
// than it takes for the others to have room in its event ids. It may be about to read
// them: its topics are joined one after the other.
func (t *linkTopics) boundVector() {
	total := len(t.vector)
	for _, lt := range t.all {
		if !slices.ContainsFunc(t.vector, lt.owns) {
			total++
		}
	}
	t.vector = slices.DeleteFunc(slices.Clone(t.vector), func(p store.TopicPosition) bool {
		drop := total > MaxTopicsPlain && !slices.ContainsFunc(t.all, func(lt *linkTopic) bool { return lt.owns(p) })
		if drop {
			total--
		}
		return drop
	})
}

// openTopic begins to read a topic, or updates what is known of one that the link reads.
func (l *Link) openTopic(ctx context.Context, t *linkTopics, j *store.TopicJoined) error {
	t.mu.Lock()
	i := slices.IndexFunc(t.all, func(lt *linkTopic) bool { return lt.hub.name == j.Topic })
	var lt *linkTopic
	if i >= 0 {
		lt = t.all[i]
	}
	closed := t.closed
	t.mu.Unlock()

	switch {
	case closed:
		return nil
	case lt != nil && (lt.leaving || j.Began > lt.asked): // it left, and has joined again meanwhile
		l.dropTopic(t, lt)
		lt = nil
	}
	if lt == nil {
		h, err := l.s.m.acquireHub(j.Topic)
		if errors.Is(err, store.ErrUnsupported) || errors.Is(err, store.ErrTopic) {
			return nil // another node has other options
		}
		if err != nil {
			return err
		}
		lt = &linkTopic{link: l, hub: h, hash: store.TopicHash(j.Topic), joinedIn: j.At.Epoch}
		lt.cursor, lt.presented = t.cursorFor(j)
		if t.arrived(j.Told.At) {
			lt.told = j.Told
			lt.news.Or(newsMembers)
		}
		h.add(lt)
		t.mu.Lock()
		if closed = t.closed; !closed {
			t.all = append(t.all[:len(t.all):len(t.all)], lt)
		}
		t.mu.Unlock()
		if closed {
			lt.close(departCut)
			return nil
		}
	}

	entered := lt.key != "" && lt.asked == j.Asked
	if lt.asked = j.Asked; lt.acked != j.Acked {
		lt.acked = j.Acked
		t.heard(l.s.m.now())
	}
	lt.news.Or(newsEntries)
	if lt.hub.o.Presence && !entered {
		key, err := lt.hub.presence.enter(ctx, lt, j.Asked, j.Info)
		if err != nil {
			return err
		}
		lt.key = key
	}
	return nil
}

// cursorFor returns where a link begins to read a topic. A position that the client has
// presented wins over that of the membership. presented is zero if there is none.
func (t *linkTopics) cursorFor(j *store.TopicJoined) (c store.TopicCursor, presented store.TopicPosition) {
	c = store.TopicCursor{At: j.At, Begin: j.Begin}
	hash := store.TopicHash(j.Topic)
	for _, p := range t.presented {
		// Two names may have one hash: the epoch tells them apart.
		if p.Topic == hash && (presented.Epoch == 0 || p.Epoch == j.At.Epoch) {
			c, presented = store.TopicCursor{At: p}, p
		}
	}
	return c, presented
}
