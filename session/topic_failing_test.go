package session

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// failingTopics is a store in which Enter fails for one topic, Members while fails is
// set, and Exit so many times.
type failingTopics struct {
	*memory.Store
	enter string
	fails atomic.Bool
	exits atomic.Int32 // how many calls of Exit fail
}

type failingTopic struct {
	store.Topic
	s *failingTopics
}

var errStore = errors.New("the store failed")

func (s *failingTopics) Topic(name string, b store.TopicBounds) store.Topic {
	return failingTopic{s.Store.Topic(name, b), s}
}

func (t failingTopic) Enter(ctx context.Context, id string, n uint64, info []byte) (string, error) {
	if t.Name() == t.s.enter {
		return "", errStore
	}
	return t.Topic.Enter(ctx, id, n, info)
}

func (t failingTopic) Exit(ctx context.Context, id string, n uint64) error {
	if t.s.exits.Add(-1) >= 0 {
		return errStore
	}
	return t.Topic.Exit(ctx, id, n)
}

func (t failingTopic) Members(ctx context.Context) ([]store.Member, error) {
	if t.s.fails.Load() {
		return nil, errStore
	}
	return t.Topic.Members(ctx)
}

// T5: a topic that fails in the store does not keep a link from the others.
func TestT5OneTopicFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := &failingTopics{Store: memory.New(memory.Options{}), enter: "a"}
		m := node(t, Options{Store: failing, OnJoin: letJoin, Topics: withPresence})
		l := stream(t, m, "id", "r")
		ask(t, m, l, TopicRequest{Topic: "a"})
		synctest.Wait()
		ask(t, m, l, TopicRequest{Topic: "b"})
		synctest.Wait()
		takeAll(t, l)
		publish(t, m, "b", "x")
		if said, _ := texts(takeAll(t, l)); len(said) != 1 {
			t.Errorf("said %v", said)
		}
		l.Close()
	})
}

// T8: a client learns of the members, even if the store failed when it joined.
func TestT8MembersAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := &failingTopics{Store: memory.New(memory.Options{})}
		failing.fails.Store(true)
		m := node(t, Options{Store: failing, OnJoin: letJoin, Topics: withPresence})
		l := stream(t, m, "id", "r")
		ask(t, m, l, TopicRequest{Topic: "a"})
		synctest.Wait()
		takeAll(t, l)
		time.Sleep(3 * time.Second)
		takeAll(t, l)
		failing.fails.Store(false)
		for len(l.woken) > 0 {
			<-l.woken
		}

		time.Sleep(3 * time.Second)
		synctest.Wait()
		members := false
		if len(l.woken) > 0 { // as a transport would
			for _, b := range takeAll(t, l) {
				members = members || b.Members != nil
			}
		}
		if !members {
			t.Error("no members are told")
		}
		l.Close()
	})
}

// T8: a departure that the store does not take is recorded later.
func TestT8ExitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := &failingTopics{Store: memory.New(memory.Options{})}
		failing.exits.Store(3)
		m := node(t, Options{Store: failing, OnJoin: letJoin, Topics: withPresence})
		l := stream(t, m, "id", "r")
		ask(t, m, l, TopicRequest{Topic: "a"})
		synctest.Wait()
		takeAll(t, l)
		l.Close()
		members := func() int {
			all, err := m.Topic("a").Members(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		time.Sleep(detachAfter + 2*topicRetry)
		synctest.Wait()
		if members() != 1 || failing.exits.Load() != 0 {
			t.Fatalf("%d members after three failures; %d are left", members(), failing.exits.Load())
		}
		time.Sleep(topicRetry)
		synctest.Wait()
		if members() != 0 || len(m.hubs.named) != 0 {
			t.Errorf("%d members, %d hubs", members(), len(m.hubs.named))
		}
	})
}
