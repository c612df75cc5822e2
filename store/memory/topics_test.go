package memory

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

var roomyTopic = store.TopicBounds{MaxMessages: 1000, MaxBytes: 1 << 30, MaxGrown: 1 << 20, Age: time.Hour}

func say(n int) store.Publication {
	return store.Publication{Message: &store.Message{Data: make([]byte, n)}}
}

func pieceOf(key string, n int) store.Publication {
	return store.Publication{Message: &store.Message{Key: key, Data: make([]byte, n)}, Grows: true}
}

func publish(t testing.TB, topic store.Topic, p store.Publication) store.TopicPosition {
	t.Helper()
	at, err := topic.Publish(bg, p)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if err != want {
		t.Fatalf("%s: %v, want %v", what, err, want)
	}
}

// fill leaves so much of the budget.
func (s *Store) fill(t testing.TB, left int64) {
	t.Helper()
	if !s.reserve(s.budget - s.used.Load() - left) {
		t.Fatal("the budget is exceeded already")
	}
}

// T1: clients begin no topic in the last quarter of the budget. The application does.
func TestT1BudgetOfTopics(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	old, joined, entered := s.Topic("old", roomyTopic), s.Topic("joined", roomyTopic), s.Topic("entered", roomyTopic)
	_, err := old.Begin(bg)
	wants(t, "Begin with room", err, nil)
	s.fill(t, 1<<18-1)
	_, err = joined.Begin(bg)
	wants(t, "Begin", err, store.ErrBudget)
	_, err = entered.Enter(bg, "s", 1, nil)
	wants(t, "Enter", err, store.ErrBudget)
	_, err = old.Begin(bg)
	wants(t, "Begin of one that has begun", err, nil)
	_, err = old.Enter(bg, "s", 1, nil)
	wants(t, "Enter of one that has begun", err, nil)
	_, err = s.Topic("position", roomyTopic).Position(bg)
	wants(t, "Position", err, nil)
	publish(t, s.Topic("publish", roomyTopic), say(1))

	s.fill(t, topicCost-1)
	_, err = joined.Position(bg)
	wants(t, "Position without memory", err, store.ErrBudget)
	_, err = joined.Publish(bg, say(1))
	wants(t, "Publish without memory for the topic", err, store.ErrFull)
	_, _, err = joined.Read(bg, new(store.TopicCursor), 1, nil)
	wants(t, "Read without memory", err, store.ErrBudget)
}

// T1: if the memory of the store is short, a topic gives up its own messages.
func TestT1BudgetOfMessages(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	a := s.Topic("a", roomyTopic)
	start := publish(t, a, say(1000))
	publish(t, a, say(1000))
	size := int64(say(1000).Message.Size())
	s.fill(t, size/2)

	publish(t, a, say(1000))
	start.Seq = 0
	got, _, err := a.Read(bg, &store.TopicCursor{At: start}, 1<<20, nil)
	if err != nil || len(got) != 3 || got[0].Lost != (store.Lost{From: 1, To: 1}) || got[1].Seq != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if used := s.used.Load(); used > s.budget {
		t.Errorf("%d bytes of %d are used", used, s.budget)
	}

	// What cannot fit, or is refused for another reason, makes nothing leave.
	_, err = a.Publish(bg, say(3000))
	wants(t, "Publish of a large message", err, store.ErrFull)
	refused := pieceOf("g", 1000)
	refused.Continues = true
	_, err = a.Publish(bg, refused)
	wants(t, "Publish of a piece without a beginning", err, store.ErrNotFound)
	got, _, err = a.Read(bg, new(store.TopicCursor), 1<<20, nil)
	if err != nil || len(got) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// M2: the growing message that a piece continues does not leave for that piece.
func TestM2BudgetOfGrowing(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	a := s.Topic("a", roomyTopic)
	publish(t, a, pieceOf("g", 100))
	publish(t, a, pieceOf("h", 1000))
	s.fill(t, 10)
	p := pieceOf("g", 500)
	p.Continues = true
	publish(t, a, p)
	got, _, err := a.Read(bg, new(store.TopicCursor), 1<<20, nil)
	if err != nil || len(got) != 1 || got[0].Offset != 0 || len(got[0].Message.Data) != 600 {
		t.Errorf("%+v, %v", got, err)
	}

	// If there is nothing else to leave, the piece is refused, and the message stays.
	p.Message = pieceOf("g", 1000).Message
	_, err = a.Publish(bg, p)
	wants(t, "Publish of a piece without memory", err, store.ErrFull)
	p.Message = pieceOf("g", 100).Message
	publish(t, a, p)
}

// M1: for a message that supersedes another one, no other leaves if that frees enough.
func TestM1BudgetOfSuperseding(t *testing.T) {
	s := New(Options{Budget: 1 << 20})
	a := s.Topic("a", roomyTopic)
	publish(t, a, say(100))
	p := say(100)
	p.Message.Key = "k"
	publish(t, a, p)
	publish(t, a, say(100))
	s.fill(t, 0)
	publish(t, a, p)
	got, _, err := a.Read(bg, new(store.TopicCursor), 1<<20, nil)
	if err != nil || len(got) != 3 || got[0].Seq != 1 || got[1].Seq != 3 || got[2].Seq != 4 {
		t.Errorf("%+v, %v", got, err)
	}
}

// D5: when all is gone, the budget is what it was before.
func TestD5BudgetReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		for round := range 3 {
			for i := range 10 {
				a := s.Topic(fmt.Sprint("t", i), roomyTopic)
				for n := range 50 {
					publish(t, a, say(n))
					publish(t, a, pieceOf(fmt.Sprint(n%7), n))
				}
				_, err := a.Enter(bg, "someone", 1, []byte("info"))
				wants(t, "Enter", err, nil)
				_, err = a.Enter(bg, "someone", 2, []byte("longer info"))
				wants(t, "Enter", err, nil)
				_, err = a.Enter(bg, "other", 1, nil)
				wants(t, "Enter", err, nil)
				stop := a.Watch(func(store.TopicNews) {})
				stop()
				if i%2 == round%2 {
					wants(t, "End", a.End(bg), nil)
					publish(t, a, say(100))
				} else {
					wants(t, "Exit", a.Exit(bg, "someone", 1), nil)
					wants(t, "Exit", a.Exit(bg, "someone", 2), nil)
					wants(t, "Exit", a.Exit(bg, "other", 1), nil)
				}
			}
			memberSessions(t, s)

			time.Sleep(roomyTopic.Age + time.Second)
			for range 2 {
				if _, err := s.Expired(bg, 100); err != nil {
					t.Fatal(err)
				}
			}
			if used := s.used.Load(); used != 0 || len(s.topics.named) != 0 || len(s.topics.due) != 0 {
				t.Fatalf("%d bytes, %d topics, %d due", used, len(s.topics.named), len(s.topics.due))
			}
		}
	})
}

// memberSessions makes sessions, joins topics in all ways, and ends the sessions in all
// ways.
func memberSessions(t *testing.T, s *Store) {
	t.Helper()
	bounds := roomy
	bounds.Retention = time.Minute
	before := int64(0)
	for i, end := range []func(id string, l store.Log, k store.LinkRef){
		func(id string, l store.Log, k store.LinkRef) {
			_, err := s.End(bg, id, 0)
			wants(t, "End", err, nil)
		},
		func(id string, l store.Log, k store.LinkRef) {
			_, _, err := l.Quit(bg, k)
			wants(t, "Quit", err, nil)
			_, _, err = l.Quit(bg, store.LinkRef{Reader: "other"})
			wants(t, "Quit", err, nil)
		},
		func(id string, l store.Log, k store.LinkRef) { // expires
			_, err := l.Detach(bg, k)
			wants(t, "Detach", err, nil)
			_, err = l.Detach(bg, store.LinkRef{Reader: "other", Number: k.Number + 1})
			wants(t, "Detach", err, nil)
		},
		func(id string, l store.Log, k store.LinkRef) {
			for _, topic := range []string{"a", "b", "c"} {
				wants(t, "LeaveTopic", l.LeaveTopic(bg, store.TopicLeave{Topic: topic}), nil)
			}
			if n := s.used.Load() - before; n != 0 {
				t.Errorf("memberships that have ended count %d bytes", n)
			}
			_, err := s.End(bg, id, 0)
			wants(t, "End", err, nil)
		},
		func(id string, l store.Log, k store.LinkRef) {
			target := openMem(t, s, "target", bounds)
			join(t, target, "a", store.LinkRef{})
			_, err := s.Move(bg, id, "target", store.Moving{})
			wants(t, "Move", err, nil)
			_, err = s.End(bg, "target", 0)
			wants(t, "End", err, nil)
		},
	} {
		id := fmt.Sprint("s", i)
		l := openMem(t, s, id, bounds)
		k, other := attachMem(t, l, "r").Link, attachMem(t, l, "other").Link
		before = s.used.Load()
		for _, whom := range []store.LinkRef{{}, {Reader: "r"}, k, other} {
			for _, topic := range []string{"a", "b", "c"} {
				join(t, l, topic, whom)
			}
		}
		at := []store.TopicPosition{
			{Topic: store.TopicHash("a"), Epoch: 1, Seq: 1}, {Topic: store.TopicHash("b"), Epoch: 1},
		}
		for _, ref := range []store.LinkRef{k, other} {
			wants(t, "AckTopics", l.AckTopics(bg, ref, at), nil)
		}
		wants(t, "LeaveTopic", l.LeaveTopic(bg, store.TopicLeave{Topic: "b", Link: other}), nil)
		end(id, l, k)
	}
}

func join(t testing.TB, l store.Log, topic string, whom store.LinkRef) {
	t.Helper()
	j := store.TopicJoin{Topic: topic, Link: whom, Max: 64, Info: []byte("info")}
	j.At = store.TopicPosition{Topic: store.TopicHash(topic), Epoch: 1}
	wants(t, "JoinTopic", l.JoinTopic(bg, j), nil)
	j.Info = []byte(strings.Repeat("i", 1000))
	wants(t, "JoinTopic", l.JoinTopic(bg, j), nil)
}

// D5: memberships and members count as much as they take.
func TestD5BudgetOfMembers(t *testing.T) {
	const sessions, topics = 200, 64
	s := New(Options{Budget: -1})
	var names []string
	for i := range topics {
		names = append(names, fmt.Sprintf("room:%06d-%016x", i, i))
	}
	for _, tt := range []struct {
		name string
		add  func(l store.Log, id, topic string)
	}{
		{"a membership of a session", func(l store.Log, id, topic string) {
			wants(t, "JoinTopic", l.JoinTopic(bg, store.TopicJoin{Topic: topic, Max: 64, Info: make([]byte, 100)}), nil)
		}},
		{"a member", func(l store.Log, id, topic string) {
			_, err := s.Topic(topic, roomyTopic).Enter(bg, id, 1, make([]byte, 100))
			wants(t, "Enter", err, nil)
		}},
	} {
		var logs []store.Log
		for i := range sessions {
			logs = append(logs, openMem(t, s, fmt.Sprint(tt.name, i), roomy))
		}
		for _, n := range names {
			_, err := s.Topic(n, roomyTopic).Position(bg)
			wants(t, "Position", err, nil)
		}
		before, counted := heapAlloc(), s.used.Load()
		for i, l := range logs {
			for _, n := range names {
				tt.add(l, fmt.Sprint(tt.name, i), n)
			}
		}
		is := int64(heapAlloc()-before) / (sessions * topics)
		counts := (s.used.Load() - counted) / (sessions * topics)
		t.Logf("%s takes %d bytes, and counts as %d", tt.name, is, counts)
		if is > counts || counts > 3*is {
			t.Error("that is too far apart")
		}
	}
	runtime.KeepAlive(s)
}

// D5: an empty topic counts as much as it takes.
func TestD5BudgetOfEmptyTopics(t *testing.T) {
	const n = 10_000
	s := New(Options{Budget: -1})
	before := heapAlloc()
	for i := range n {
		publish(t, s.Topic(fmt.Sprintf("room:%06d-%016x", i, i), roomyTopic), say(0))
	}
	is, counts := int64(heapAlloc()-before)/n, s.used.Load()/n
	t.Logf("a topic with a message takes %d bytes, and counts as %d", is, counts)
	if is > counts {
		t.Error("that is more")
	}
	runtime.KeepAlive(s)
}

// Notices that nobody takes do not pile up, nor do those of links that are gone.
func TestT6NoticesAreBounded(t *testing.T) {
	s := New(Options{})
	l := openMem(t, s, "a", roomy)
	k := attachMem(t, l, "r").Link
	for i := range 2 * maxNotices {
		n := store.TopicNotice{Topic: "a", Status: 403, Reason: fmt.Sprint(i)}
		wants(t, "LeaveTopic", l.LeaveTopic(bg, store.TopicLeave{Topic: "a", Link: k, Notice: n}), nil)
	}
	of, err := l.Topics(bg, k)
	if err != nil || len(of.Notices) != maxNotices || of.Notices[maxNotices-1].Reason != fmt.Sprint(2*maxNotices-1) {
		t.Errorf("%d notices, %v", len(of.Notices), err)
	}
}
