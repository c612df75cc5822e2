package redis_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// memberIDs returns the members' ids.
func memberIDs(t *testing.T, topic store.Topic) string {
	t.Helper()
	all, err := topic.Members(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, " ")
}

func enterTopic(t *testing.T, topic store.Topic, id string, n uint64) {
	t.Helper()
	if _, err := topic.Enter(ctx, id, n, nil); err != nil {
		t.Fatal(err)
	}
}

// presenceNodes returns a topic on nodes of their own.
func presenceNodes(t *testing.T, n int) (nodes []*redis.Store, topics []store.Topic) {
	server := startServer(t)
	o := redis.Options{Lease: time.Second, SafetyRead: 100 * time.Millisecond}
	for range n {
		s := newStore(t, dial(t, server.addr), o)
		o.Prefix = s.Prefix()
		nodes, topics = append(nodes, s), append(topics, s.Topic("a", topicBounds()))
	}
	return nodes, topics
}

// T8: who came through a node that died leaves within the lease, and it is told once.
func TestT8DeadNode(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 3)
	enterTopic(t, topics[0], "gone", 1)
	enterTopic(t, topics[0], "both", 1)
	enterTopic(t, topics[1], "both", 2)
	enterTopic(t, topics[1], "stays", 1)
	follow(t, topics[1])
	var news atomic.Int64
	t.Cleanup(topics[2].Watch(func(what store.TopicNews) {
		if what == store.TopicNewsMembers { // not that something may have been missed
			news.Add(1)
		}
	}))
	until(t, "the replica is current", func() bool {
		readTopic(t, topics[2], &store.TopicCursor{})
		return redis.Current(topics[2])
	})

	nodes[0].DieInTopics()
	until(t, "its members have left", func() bool { return news.Load() > 0 })
	wantText(t, "members", memberIDs(t, topics[2]), "both stays")
	for range 3 {
		nodes[1].LookAtTopics()
		nodes[2].LookAtTopics()
	}
	if n := news.Load(); n != 1 {
		t.Errorf("that they have left was told %d times", n)
	}
}

// T8: a node that is closed gives up its members at once.
func TestT8ClosedNode(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 2)
	enterTopic(t, topics[0], "gone", 1)
	enterTopic(t, topics[1], "stays", 1)
	nodes[0].Close()
	wantText(t, "members", memberIDs(t, topics[1]), "stays")
}

// T8: members of a node that lives stay, although its lease is short, and although Redis
// has lost them meanwhile.
func TestT8MembersStay(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 2)
	b := topicBounds()
	b.Age = 300 * time.Millisecond
	short := nodes[0].Topic("short", b)
	enterTopic(t, topics[0], "a", 1)
	enterTopic(t, short, "b", 1)
	at := topicPosition(t, short)
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); {
		wantText(t, "members", memberIDs(t, topics[1]), "a")
		wantText(t, "members", memberIDs(t, nodes[1].Topic("short", b)), "b")
	}
	if again := topicPosition(t, short); again != at {
		t.Errorf("the topic with a member was forgotten: %v after %v", again, at)
	}
}

// T8: if Redis has lost everything, nodes enter again what they have.
func TestT8RedisLosesMembers(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Lease: time.Second, SafetyRead: 100 * time.Millisecond})
	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "stays", 1)
	enterTopic(t, topic, "leaves", 2)
	server.kill()
	server.start()
	until(t, "the members are back", func() bool {
		all, err := topic.Members(ctx)
		return err == nil && len(all) == 2
	})
	if err := topic.Exit(ctx, "leaves", 2); err != nil {
		t.Fatal(err)
	}
	s.LookAtTopics()
	s.LookAtTopics()
	wantText(t, "members", memberIDs(t, topic), "stays")
}

// T8: an entrance of which the node does not know, because the answer was lost, is
// removed.
func TestT8LostAnswer(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 1)
	enterTopic(t, topics[0], "stays", 1)
	for _, n := range []uint64{1, 2} {
		if err := redis.EnterUnheard(topics[0], "ghost", n); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "it has left", func() bool { return memberIDs(t, topics[0]) == "stays" })
	if err := topics[0].Exit(ctx, "stays", 1); err != nil {
		t.Fatal(err)
	}
	if err := redis.EnterUnheard(topics[0], "ghost", 1); err != nil {
		t.Fatal(err)
	}
	until(t, "nobody is there", func() bool { return nodes[0].PresentTopics() == 0 })
	wantText(t, "members", memberIDs(t, topics[0]), "")
}

// T12: whoever was present in an epoch that has ended does not come back.
func TestT12MembersOfAnEndedEpoch(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 2)
	enterTopic(t, topics[0], "gone", 1)
	if err := topics[1].End(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		nodes[0].LookAtTopics()
		if i == 1 {
			mustPublish(t, topics[1], said("of the next"))
		}
	}
	wantText(t, "members", memberIDs(t, topics[1]), "")
}

// T8: keys of members are the same on each node, and differ from topic to topic.
func TestT8KeysOnNodes(t *testing.T) {
	t.Parallel()
	nodes, topics := presenceNodes(t, 2)
	seen := make(map[string]bool)
	for i := range 20 {
		id := fmt.Sprint("id", i)
		key, err := topics[0].Enter(ctx, id, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := topics[1].Enter(ctx, id, 2, nil); err != nil || again != key {
			t.Errorf("the key of %s is %q, and on another node %q, %v", id, key, again, err)
		}
		other, err := nodes[0].Topic("b", topicBounds()).Enter(ctx, id, 1, nil)
		if err != nil || seen[key] || seen[other] || key == other {
			t.Errorf("the keys of %s are %q and %q, %v", id, key, other, err)
		}
		seen[key], seen[other] = true, true
	}
}
