package storetest

import (
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// news collects what a watcher is told.
type news struct {
	e   *env
	got atomic.Uint32
}

func (t *topic) watched() (*news, func()) {
	n := &news{e: t.e}
	return n, t.Watch(func(what store.TopicNews) { n.got.Or(uint32(what)) })
}

// tells fails the test unless f makes a watcher hear of what. A hint may be lost, so f
// may be repeated.
func (n *news) tells(name string, what store.TopicNews, f func()) {
	n.e.Helper()
	n.got.Store(0)
	tries := 0
	n.e.soon(name+" wakes", func() bool {
		if tries++; tries%8 == 1 {
			f()
		}
		return store.TopicNews(n.got.Load())&what == what
	})
}

var topicWatching = []clause{
	{"T10 watchers are woken by what a reader must see", func(e *env) {
		a := e.topic("a")
		n, stop := a.watched()
		other := e.topic("a") // as another Manager would
		n.tells("a message", store.TopicNewsEntries, func() { other.publish("x") })
		n.tells("a piece", store.TopicNewsEntries, func() { other.put(piece("g", "x")) })
		n.tells("who comes", store.TopicNewsMembers, func() {
			_ = other.Exit(ctx, "s", 1)
			_, _ = other.Enter(ctx, "s", 1, nil)
		})
		info := byte('0')
		n.tells("another info", store.TopicNewsMembers, func() {
			info++
			_, _ = other.Enter(ctx, "s", 1, []byte{info})
		})
		n.tells("who leaves", store.TopicNewsMembers, func() {
			_, _ = other.Enter(ctx, "s", 1, nil)
			_ = other.Exit(ctx, "s", 1)
		})
		stop()
		stop()
		n.got.Store(0)
		other.publish("y")
		if n.got.Load() != 0 && e.bubble {
			e.Error("woken after stop")
		}
	}},
	{"T12 watchers are woken by the end, and by what follows it", func(e *env) {
		a := e.topic("a")
		n, stop := a.watched() // before it has begun
		defer stop()
		n.tells("a message", store.TopicNewsEntries, func() { a.publish("x") })
		n.tells("the end", store.TopicNewsEntries|store.TopicNewsMembers, func() {
			a.position()
			a.end()
		})
		n.tells("a message of the next epoch", store.TopicNewsEntries, func() { a.publish("x") })
	}},
	{"T10 watchers of a topic that was forgotten are woken when it begins again", func(e *env) {
		a := e.topic("a", aging(e.brief()))
		a.publish("x")
		n, stop := a.watched()
		defer stop()
		e.pass(3*e.brief(), e.expire)
		n.tells("a message", store.TopicNewsEntries, func() { a.publish("x") })
	}},
	{"T10 each watcher is woken, and none by another topic", func(e *env) {
		a, b := e.topic("a"), e.topic("b")
		n, stop := a.watched()
		defer stop()
		m, stopped := a.watched()
		o, stopThird := a.watched()
		defer stopThird()
		stopped()
		n.tells("a message", store.TopicNewsEntries, func() { a.publish("x") })
		o.tells("a message", store.TopicNewsEntries, func() { a.publish("x") })
		if m.got.Load() != 0 && e.bubble {
			e.Error("woken after stop")
		}
		if n.got.Store(0); e.bubble {
			b.publish("x")
			equal(e, "news of another topic", n.got.Load(), 0)
		}
	}},
}
