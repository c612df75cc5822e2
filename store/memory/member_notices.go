package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// toldTopic says that a link's client was told that it reads a topic.
type toldTopic struct {
	link  uint64
	topic string
	store.TopicTold
}

// linkNotice is what the client of one link is to be told.
type linkNotice struct {
	link uint64
	store.TopicNotice
}

// toldCost and noticeCost are what else is kept for links, beside the names.
const (
	toldCost   = 96
	noticeCost = 96
)

func (t *toldTopic) cost() int64  { return int64(toldCost + len(t.topic)) }
func (n *linkNotice) cost() int64 { return int64(noticeCost + len(n.Topic) + len(n.Reason)) }

// maxNotices is how many notices wait for the links of one session. Older ones are
// dropped: their clients do not take them.
const maxNotices = 256

// addNotice adds a notice, as far as there is room.
func (l *memLog) addNotice(n linkNotice) {
	ms := l.topics
	if len(ms.notices) == maxNotices {
		oldest := ms.notices[0]
		l.dropNotices(func(n *linkNotice) bool { return *n == oldest })
	}
	if l.reserveForClient(n.cost()) {
		ms.notices = append(ms.notices, n)
	}
}

// dropNotices removes notices.
func (l *memLog) dropNotices(is func(*linkNotice) bool) {
	l.topics.notices = slices.DeleteFunc(l.topics.notices, func(n linkNotice) bool {
		if !is(&n) {
			return false
		}
		l.store.used.Add(-n.cost())
		return true
	})
}

// forgetTold removes what was told.
func (l *memLog) forgetTold(is func(*toldTopic) bool) {
	l.topics.told = slices.DeleteFunc(l.topics.told, func(t toldTopic) bool {
		if !is(&t) {
			return false
		}
		l.store.used.Add(-t.cost())
		return true
	})
}

// TopicTold implements Log.
func (h *memHandle) TopicTold(_ context.Context, ref store.LinkRef, topic string, told store.TopicTold) error {
	l, err := h.memLog, h.enterMember(ref)
	defer l.unlock()
	if err != nil || l.topics == nil {
		return err
	}
	ms := l.topics
	for i := range ms.told {
		if t := &ms.told[i]; t.link == ref.Number && t.topic == topic {
			t.TopicTold = told
			return nil
		}
	}
	t := toldTopic{ref.Number, topic, told}
	if ms.reads(ref, topic) && l.reserveForClient(t.cost()) { // otherwise the client is told again
		ms.told = append(ms.told, t)
	}
	return nil
}
