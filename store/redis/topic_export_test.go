package redis

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// A Publishing is one publish that a test asks for as often as it wants.
type Publishing struct {
	h *topicHandle
	a publishAttempt
	p store.Publication
}

// NewPublishing returns one that has not been asked for.
func NewPublishing(t store.Topic, p store.Publication) *Publishing {
	h := t.(*topicHandle)
	return &Publishing{h, h.s.topics.uncertain.attempt(h, p.Message), p}
}

// Ask publishes as if the publish was asked for before times already.
func (p *Publishing) Ask(before int) (store.TopicPosition, error) {
	a := p.a
	a.before = before
	return p.h.publish(context.Background(), p.p, a)
}

// Forget makes the attempt one of a caller that knows nothing of the topic.
func (p *Publishing) Forget() { p.a.since = store.TopicPosition{} }

// Current reports whether the topic is read from its replica alone.
func Current(t store.Topic) bool {
	r := t.(*topicHandle).find()
	if r == nil {
		return false
	}
	defer r.mu.Unlock()
	return r.state == replicaCurrent
}

// Loads returns how often the topic was loaded.
func Loads(t store.Topic) uint64 {
	r := t.(*topicHandle).find()
	if r == nil {
		return 0
	}
	defer r.mu.Unlock()
	return r.begun
}

// DieInTopics ends what the Store does for its topics, without giving anything up.
func (s *Store) DieInTopics() {
	s.topics.mu.Lock()
	clear(s.topics.present)
	s.topics.mu.Unlock()
	s.topics.cancel()
	s.topics.done.Wait()
}

// Replicas returns how many replicas of topics there are.
func (s *Store) Replicas() int {
	s.topics.mu.RLock()
	defer s.topics.mu.RUnlock()
	return len(s.topics.replicas)
}

// DeafWhen lets a Store hear nothing while deaf says so.
func (s *Store) DeafWhen(deaf func() bool) { s.subscriber.deaf.Store(&deaf) }

// EnterUnheard enters a topic, and loses the answer.
func EnterUnheard(t store.Topic, id string, n uint64) error {
	h := t.(*topicHandle)
	h.s.topics.expects(h)
	_, err := h.enter(context.Background(), entrance{id, n}, nil, 0)
	return err
}

// PresentTopics returns in how many topics the node may have entrances.
func (s *Store) PresentTopics() int {
	s.topics.mu.RLock()
	defer s.topics.mu.RUnlock()
	return len(s.topics.present)
}

// LookAtTopics does what is done now and then.
func (s *Store) LookAtTopics() { s.topics.look() }

// TopicBase returns what the keys of a topic's shard begin with.
func (s *Store) TopicBase(name string) string { return s.base[shardOf(escape(name))] }

// BeforeAnswer calls f when Redis has taken a step with that name, and loses its answer.
func BeforeAnswer(s *Store, name string, f func()) {
	s.answered = func(script string, _ []string) error {
		if script != name {
			return nil
		}
		s.answered = nil
		f()
		return errLost
	}
}

// Diverge lets the topic go on under another epoch, as after a failover that lost
// messages.
func Diverge(t store.Topic, epoch uint32) error {
	_, err := t.(*topicHandle).step(context.Background(), "diverge", someEpoch(), epochText(epoch))
	return err
}
