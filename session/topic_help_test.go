package session

import (
	"context"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// hookedTopics is a store that calls beforeEnter once, before the next Enter.
type hookedTopics struct {
	*memory.Store
	beforeEnter func() // may be nil
}

type hookedTopic struct {
	store.Topic
	s *hookedTopics
}

func (s *hookedTopics) Topic(name string, b store.TopicBounds) store.Topic {
	return hookedTopic{s.Store.Topic(name, b), s}
}

func (t hookedTopic) Enter(ctx context.Context, id string, n uint64, info []byte) (string, error) {
	if f := t.s.beforeEnter; f != nil {
		t.s.beforeEnter = nil
		f()
	}
	return t.Topic.Enter(ctx, id, n, info)
}

func withPresence(string) TopicOptions { return TopicOptions{Presence: true} }

func letJoin(context.Context, *Session, *Join) error { return nil }

// node returns a Manager that a test shuts down at its end.
func node(t *testing.T, o Options) *Manager {
	t.Helper()
	m := New(o)
	t.Cleanup(func() { m.Shutdown(context.Background()) })
	return m
}

// stream returns a link that is no poll.
func stream(t *testing.T, m *Manager, id, reader string) *Link {
	t.Helper()
	l, err := m.Attach(t.Context(), Attach{ID: id, Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// ask sends requests of the client of l to a node.
func ask(t *testing.T, m *Manager, l *Link, requests ...TopicRequest) {
	t.Helper()
	up := Upstream{ID: l.ID(), Link: l.Hello.Link, Topics: requests}
	if _, err := m.Receive(t.Context(), up); err != nil {
		t.Fatal(err)
	}
}

// takeAll returns the blocks of topics that the link has.
func takeAll(t *testing.T, l *Link) (blocks []TopicBlock) {
	t.Helper()
	var b Batch
	for more := true; more; more = b.More {
		if err := l.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b.Topics...)
		b.Topics = nil
	}
	return blocks
}

// texts returns the messages among blocks, and the statuses of notices.
func texts(blocks []TopicBlock) (said []string, left []int) {
	for _, b := range blocks {
		switch {
		case b.Left != nil:
			left = append(left, b.Left.Status)
		case b.Joined == nil && b.Members == nil && b.Entry.Message != nil:
			said = append(said, string(b.Entry.Message.Data))
		}
	}
	return said, left
}

func publish(t *testing.T, m *Manager, topic string, text string) {
	t.Helper()
	if _, err := m.Topic(topic).Publish(t.Context(), store.Text(text)); err != nil {
		t.Fatal(err)
	}
}

const afterPresence = detachAfter + 2*time.Second
