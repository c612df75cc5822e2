package memory

import (
	"fmt"
	"testing"

	"github.com/mirage-go/mirage/store"
)

// T5: a reader that began to watch a topic while there was no memory for it hears of what
// is published once there is.
func TestT5WatchWithoutMemory(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	s.fill(t, topicCost-1)
	topic, woken := s.Topic("room:7", roomyTopic), 0
	stop := topic.Watch(func(store.TopicNews) { woken++ })
	defer stop()
	s.used.Add(-1 << 19)

	publish(t, topic, say(1))
	if woken != 1 {
		t.Errorf("woken %d times", woken)
	}
}

// T1: joins of clients, and what they say about themselves, leave an eighth of the budget
// for messages.
func TestT1BudgetOfJoins(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	info := fmt.Appendf(nil, "%q", make([]byte, 250))
	topic := s.Topic("t", roomyTopic)
	publish(t, topic, say(1))
	var logs []store.Log
	var links []store.LinkRef
	for i := range 40 {
		logs = append(logs, openMem(t, s, fmt.Sprint("s", i), roomy))
		links = append(links, attachMem(t, logs[i], "r").Link)
	}

	var err error
	for i := 0; err == nil && i < len(logs); i++ {
		for n := 0; err == nil && n < 64; n++ {
			j := store.TopicJoin{Topic: fmt.Sprint("t", n), Link: links[i], Max: 64}
			if err = logs[i].JoinTopic(bg, j); err == nil {
				j.Info = info
				err = logs[i].JoinTopic(bg, j)
			}
		}
	}
	wants(t, "JoinTopic", err, store.ErrBudget)
	if !s.has(s.budget / 8) {
		t.Errorf("joins take %d of %d bytes", s.used.Load(), s.budget)
	}

	for i := 0; ; i++ {
		if _, err := topic.Enter(bg, fmt.Sprint("e", i), 1, info); err != nil {
			wants(t, "Enter", err, store.ErrBudget)
			break
		}
	}
	if !s.has(s.budget / 8) {
		t.Errorf("members take %d of %d bytes", s.used.Load(), s.budget)
	}
	wants(t, "JoinTopic by the application", logs[0].JoinTopic(bg, store.TopicJoin{Topic: "own", Max: 100}), nil)
}
