package session

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// hubs are the topics that links of this node read, by name.
type hubs struct {
	mu    sync.Mutex
	named map[string]*hub
	rooms map[string][]*presence // where a session is present, by its id
}

// enter notes that a session is present in a topic.
func (h *hubs) enter(id string, p *presence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rooms == nil {
		h.rooms = make(map[string][]*presence)
	}
	h.rooms[id] = append(h.rooms[id], p)
}

// exit undoes enter.
func (h *hubs) exit(id string, p *presence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(h.rooms[id]), func(o *presence) bool { return o == p })
	if h.rooms[id] = rest; len(rest) == 0 {
		delete(h.rooms, id)
	}
}

// goodbye says that a reader of a session does not come back.
func (h *hubs) goodbye(id, reader string) {
	h.mu.Lock()
	rooms := h.rooms[id]
	h.mu.Unlock()
	for _, p := range rooms {
		p.goodbye(id, reader)
	}
}

// close records that no session is present on this node, and stops watching. No link is
// left.
func (h *hubs) close(ctx context.Context) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, hub := range h.named {
		hub.presence.leaveAll(ctx)
		hub.stop()
	}
	h.named, h.rooms = nil, nil
}

// A hub is a topic on this node: it watches the topic in the Store, and wakes the links
// that read it. It exists while a link reads the topic, or a session counts as present.
type hub struct {
	*Topic
	users int // links and present sessions; guarded by hubs.mu
	stop  func()
	presence

	mu    sync.RWMutex
	links []*linkTopic
}

// News bits of a linkTopic, beside those of store.TopicNews.
const (
	newsEntries = uint32(store.TopicNewsEntries)
	newsMembers = uint32(store.TopicNewsMembers)
)

// acquireHub returns the hub of a topic, with one more user. The error is that of the
// topic's methods, or errTopicsPanicked.
func (m *Manager) acquireHub(name string) (*hub, error) {
	if h := m.hubs.acquire(name, nil); h != nil {
		return h, nil
	}
	t := m.topicForClient(name) // without the lock, because it calls the application
	switch {
	case t == nil:
		return nil, errTopicsPanicked
	case t.err != nil:
		return nil, t.err
	}
	return m.hubs.acquire(name, t), nil
}

// acquire returns the hub of a topic, with one more user. If there is none, it is made of
// t, unless that is nil.
func (h *hubs) acquire(name string, t *Topic) *hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.named[name]
	switch {
	case one == nil && t == nil:
		return nil
	case one == nil:
		one = &hub{Topic: t}
		one.presence.init(one)
		one.stop = t.store.Watch(one.wake)
		if h.named == nil {
			h.named = make(map[string]*hub)
		}
		h.named[name] = one
	}
	one.users++
	return one
}

var errTopicsPanicked = errors.New("session: Options.Topics panicked")

// topicForClient is Topic for a name that a client may have chosen. It returns nil if
// Options.Topics panics, which is logged.
func (m *Manager) topicForClient(name string, about ...any) (t *Topic) {
	m.call("Topics", func() { t = m.Topic(name) }, append(about, "topic", name)...)
	return t
}

// hold adds a user to a hub that has one.
func (h *hub) hold() {
	h.m.hubs.mu.Lock()
	defer h.m.hubs.mu.Unlock()
	h.users++
}

// release removes a user. The hub of nobody stops watching.
func (h *hub) release() {
	h.m.hubs.mu.Lock()
	h.users--
	unused := h.users == 0
	if unused {
		delete(h.m.hubs.named, h.name)
	}
	h.m.hubs.mu.Unlock()
	if unused {
		h.stop()
		h.m.clock.cancel(&h.presence.alarm)
		h.m.clock.sooner(&h.m.sweeper, h.o.Age)
	}
}

// add lets a link read the topic.
func (h *hub) add(lt *linkTopic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lt.index = len(h.links)
	h.links = append(h.links, lt)
}

// remove undoes add.
func (h *hub) remove(lt *linkTopic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.links) - 1
	moved := h.links[last]
	h.links[lt.index], moved.index = moved, lt.index
	h.links[last] = nil
	h.links = h.links[:last]
}

// wake wakes the links that have no news yet. It is called by the Store, and must not
// block.
func (h *hub) wake(news store.TopicNews) {
	if news&store.TopicNewsMembers != 0 {
		h.presence.changed()
	}
	if news&store.TopicNewsEntries != 0 {
		h.tell(newsEntries)
	}
}

// tell gives news to all links.
func (h *hub) tell(news uint32) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, lt := range h.links {
		if lt.news.Load()&news == 0 {
			lt.news.Or(news)
			lt.link.wakeForTopics()
		}
	}
}

// A linkTopic is a topic that a link reads. If its membership ends, it is leaving: if the
// topic has ended, it still reads the rest. Otherwise it is dropped at once.
type linkTopic struct {
	// What every publish needs comes first.
	news  atomic.Uint32 // what there is to read
	link  *Link
	index int // in hub.links; guarded by hub.mu

	// Owned by the goroutine that calls Take.
	hub       *hub
	hash      uint32 // of the topic's name
	leaving   bool
	removed   bool // the client was told that it is no member: with leaving, it gets nothing more
	cursor    store.TopicCursor
	presented store.TopicPosition // by the client, until it counts as acknowledged
	sent      store.TopicPosition // the last message that was written, or is being written
	acked     store.TopicPosition // as far as it is known here
	gapAt     store.TopicPosition // after a gap that was told, while growing messages that follow it are read whole
	lost      store.Lost          // since the join, for mirage-joined
	reason    store.Missing
	asked     uint64          // the join that is to be confirmed
	told      store.TopicTold // what the client was told
	joinedIn  uint32          // the epoch of the membership
	followed  uint32          // the epoch to which the link moved because that one is lost; 0 if it did not

	key string // in presence; "" before it entered
	standing
	members *membersList // that the client knows; nil for none, or for a poll
}

// close ends the reading of a topic.
func (lt *linkTopic) close(how departing) {
	lt.hub.remove(lt)
	lt.hub.presence.exit(lt, how)
	lt.hub.release()
}

// owns reports whether p is a position of the topic.
func (lt *linkTopic) owns(p store.TopicPosition) bool { return p.Topic == lt.hash }
