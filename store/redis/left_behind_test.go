package redis_test

import (
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// lookThrice lets a node find differences that two looks must see.
func lookThrice(s *redis.Store) {
	for range 3 {
		s.LookAtTopics()
	}
}

// T8: after Redis has lost the members, and the nodes have entered them again, they stay
// when others come.
func TestT8MembersStayAfterALoss(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{SafetyRead: time.Hour})
	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "stays", 1)
	server.do("FLUSHALL")
	lookThrice(s)
	wantText(t, "members who were entered again", memberIDs(t, topic), "stays")
	enterTopic(t, topic, "comes", 2)
	lookThrice(s)
	wantText(t, "members", memberIDs(t, topic), "stays comes")
}

// T8: somebody may come before the nodes have found that Redis has lost the members.
func TestT8SomebodyComesRightAfterALoss(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{SafetyRead: time.Hour})
	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "stays", 1)
	server.do("FLUSHALL")
	enterTopic(t, topic, "comes", 2)
	lookThrice(s)
	wantText(t, "members", memberIDs(t, topic), "comes stays")
}

// T8, T4: members stay when their topic goes on under another epoch, because Redis has
// lost messages.
func TestT8MembersStayInADivergedTopic(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{SafetyRead: time.Hour})
	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "stays", 1)
	if err := redis.Diverge(topic, topicPosition(t, topic).Epoch); err != nil {
		t.Fatal(err)
	}
	enterTopic(t, topic, "comes", 2)
	lookThrice(s)
	wantText(t, "members", memberIDs(t, topic), "stays comes")
}

// T8, T12: who comes in the next epoch before the answer to End arrives, is entered again
// if Redis loses them.
func TestT8ComesBeforeTheAnswerToEnd(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{SafetyRead: time.Hour})
	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "was", 1)
	redis.BeforeAnswer(s, "topic/end", func() { enterTopic(t, topic, "comes", 2) })
	if err := topic.End(ctx); err != nil {
		t.Fatal(err)
	}
	wantText(t, "members of the next epoch", memberIDs(t, topic), "comes")
	server.do("FLUSHALL")
	lookThrice(s)
	wantText(t, "members", memberIDs(t, topic), "comes")
}

// T8: members that outlived the head of their topic, because no node has looked for more
// than twice the Lease, do not count.
func TestT8MembersOutliveTheHead(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	o := redis.Options{Lease: time.Second, SafetyRead: time.Hour}
	dead := newStore(t, dial(t, server.addr), o)
	o.Prefix = dead.Prefix()
	s := newStore(t, dial(t, server.addr), o)
	enterTopic(t, dead.Topic("a", topicBounds()), "gone", 1)
	dead.DieInTopics()
	server.do("DEL", s.TopicBase("a")+":t:h:a")

	topic := s.Topic("a", topicBounds())
	enterTopic(t, topic, "stays", 1)
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); { // the lease of the dead node ends
		s.LookAtTopics()
	}
	wantText(t, "members", memberIDs(t, topic), "stays")
}

// L4: a node keeps nothing of links that went on at another node.
func TestL4LinksThatWentOnElsewhere(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	here, there := open(t, a, "a"), open(t, b, "a")
	t.Cleanup(here.Watch(func() {})) // by a link that stays
	for range 20 {
		first, err := here.Attach(ctx, store.Claim{Reader: "r"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := here.Read(ctx, first.Link, first.Position.Seq, 1<<20, nil); err != nil {
			t.Fatal(err)
		}
		second, err := there.Attach(ctx, store.Claim{Reader: "r", Link: first.Link.Number})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := here.Detach(ctx, first.Link); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Detach(ctx, second.Link); err != nil {
			t.Fatal(err)
		}
	}
	if inTail, inLog := redis.LinksOfTail(a, here); inTail > 0 || inLog > 0 {
		t.Errorf("the node keeps %d links in the tail, and %d in the log", inTail, inLog)
	}
}
