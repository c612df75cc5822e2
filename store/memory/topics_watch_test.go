package memory

import (
	"testing"

	"github.com/mirage-go/mirage/store"
)

// T10: whoever watches a topic when there is no memory for it hears of it later.
func TestT10WatchWithoutMemory(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	s.fill(t, 0)
	a, woken := s.Topic("a", roomyTopic), 0
	stop := a.Watch(func(store.TopicNews) { woken++ })
	s.reserve(-1 << 19)
	publish(t, a, say(1))
	if woken != 1 {
		t.Errorf("woken %d times", woken)
	}
	before := woken
	stop()
	publish(t, a, say(1))
	if woken != before {
		t.Error("woken after stop")
	}
}
