package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/store/storetest"
)

// eitherNode is a Store whose logs are opened on either of two nodes.
type eitherNode struct {
	*redis.Store
	second *redis.Store
}

func (n eitherNode) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	if rand.IntN(2) == 0 {
		return n.second.Open(ctx, id, a, create, b)
	}
	return n.Store.Open(ctx, id, a, create, b)
}

// The clauses and the model on two nodes. Half of the answers are lost, so that steps are
// repeated.
func TestT2MembershipsWithLostAnswers(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	storetest.Run(t, func(tb testing.TB) store.Store {
		about := false
		for _, clause := range []string{
			"/T2_", "/T5_", "/T6_", "/T12_", "/I11_a_session's", "/I12_an_old", "topics_and",
		} {
			about = about || strings.Contains(tb.Name(), clause)
		}
		if !about {
			tb.Skip("it is not about memberships")
		}

		first := newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
		second := newStore(tb, client, redis.Options{Timeout: 20 * time.Second, Prefix: first.Prefix()})
		redis.LoseAnswers(first, "member_")
		redis.LoseAnswers(second, "member_")
		return eitherNode{first, second}
	})
}

// position returns the position after a message of epoch 5.
func position(topic string, seq uint64) store.TopicPosition {
	return store.TopicPosition{Topic: store.TopicHash(topic), Epoch: 5, Seq: seq}
}

func joins(l store.Log, topic string, link store.LinkRef, seq uint64) error {
	removed, err := l.Removals(ctx)
	if err != nil {
		return err
	}
	return l.JoinTopic(ctx, store.TopicJoin{
		Topic: topic, Link: link, At: position(topic, seq), Max: 64, Removals: removed,
	})
}

func leaves(l store.Log, topic string, link store.LinkRef, reason string) error {
	return l.LeaveTopic(ctx, store.TopicLeave{
		Topic: topic, Link: link, Notice: store.TopicNotice{Topic: topic, Status: 403, Reason: reason},
	})
}

// membership describes what a link reads, and what its client is to be told.
func membership(t testing.TB, l store.Log, link store.LinkRef) string {
	t.Helper()
	of, err := l.Topics(ctx, link)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, j := range of.Joined {
		all = append(all, fmt.Sprintf("%s@%d", j.Topic, j.At.Seq))
	}
	for _, n := range of.Notices {
		all = append(all, "left "+n.Topic+": "+n.Reason)
	}
	return strings.Join(all, " ")
}

func attach(t testing.TB, l store.Log, reader string) store.LinkRef {
	t.Helper()
	a, err := l.Attach(ctx, store.Claim{Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	return a.Link
}

// Each step counts once, though its first answer was lost. It does nothing if its first
// question arrives after another step.
func TestT2MembershipStepsCountOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	everybody := store.LinkRef{}
	for _, tt := range []struct {
		name        string
		before      func(l store.Log, link store.LinkRef) error
		step, after func(l store.Log, link store.LinkRef) error
		want        string
	}{
		{
			name: "join",
			step: func(l store.Log, link store.LinkRef) error { return joins(l, "a", link, 1) },
			after: func(l store.Log, link store.LinkRef) error {
				return l.LeaveTopic(ctx, store.TopicLeave{Topic: "a", Link: link})
			},
		},
		{
			name:   "leave",
			before: func(l store.Log, _ store.LinkRef) error { return joins(l, "a", everybody, 1) },
			step:   func(l store.Log, link store.LinkRef) error { return leaves(l, "a", link, "once") },
			after:  func(l store.Log, _ store.LinkRef) error { return joins(l, "a", everybody, 2) },
			want:   "a@1 left a: once",
		},
		{
			name:   "removal",
			before: func(l store.Log, _ store.LinkRef) error { return joins(l, "a", everybody, 1) },
			step:   func(l store.Log, _ store.LinkRef) error { return leaves(l, "a", everybody, "once") },
			after: func(l store.Log, _ store.LinkRef) error {
				if n, err := l.Removals(ctx); n != 1 || err != nil {
					return fmt.Errorf("%d removals, %v; want 1", n, err)
				}
				return joins(l, "a", everybody, 2)
			},
			want: "a@2 left a: once",
		},
		{
			name:   "acknowledgement",
			before: func(l store.Log, _ store.LinkRef) error { return joins(l, "a", everybody, 1) },
			step: func(l store.Log, link store.LinkRef) error {
				return l.AckTopics(ctx, link, []store.TopicPosition{position("a", 7)})
			},
			after: func(l store.Log, link store.LinkRef) error {
				next := position("a", 3)
				next.Epoch = 6
				return l.AckTopics(ctx, link, []store.TopicPosition{next})
			},
			want: "a@3",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := open(t, s, tt.name)
			link := attach(t, l, "r")
			must := func(f func(store.Log, store.LinkRef) error) {
				t.Helper()
				if f == nil {
					return
				}
				if err := f(l, link); err != nil {
					t.Fatal(err)
				}
			}

			must(tt.before)
			late, err := redis.TakeTwice(s, l, func() error { return tt.step(l, link) })
			if err != nil {
				t.Fatal(err)
			}
			must(tt.after)
			if err := late(); err != nil && !errors.Is(err, store.ErrRemoved) {
				t.Fatal(err)
			}
			if got := membership(t, l, link); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A client is told that it left, once, if the answer with the notice was lost.
func TestT6NoticeInALostAnswer(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	if err := leaves(l, "a", link, "no"); err != nil {
		t.Fatal(err)
	}

	var got string
	if _, err := redis.TakeTwice(s, l, func() error { got = membership(t, l, link); return nil }); err != nil {
		t.Fatal(err)
	}
	if got != "left a: no" {
		t.Errorf("the repeated step got %q", got)
	}
	if got := membership(t, l, link); got != "" {
		t.Errorf("the next step got %q", got)
	}

	// No answer came within the caller's time: the next step gets the notice.
	if err := leaves(l, "b", link, "no"); err != nil {
		t.Fatal(err)
	}
	_, before, err := l.Read(ctx, link, 0, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := redis.UndoTopics(s, l, link); n != 1 || err != nil {
		t.Fatalf("%d notices, %v", n, err)
	}
	if _, tail, err := l.Read(ctx, link, 0, 1, nil); err != nil || tail.Topics == before.Topics {
		t.Errorf("Tail.Topics %d does not say that there is something new, %v", tail.Topics, err)
	}
	if got := membership(t, l, link); got != "left b: no" {
		t.Errorf("after the undo: %q", got)
	}
}

// A link on one node learns of what another node does, even if all that is published is
// lost.
func TestT2MembershipsAcrossNodes(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		t.Run(fmt.Sprint("deaf ", deaf), func(t *testing.T) {
			t.Parallel()
			client := dial(t, startServer(t).addr)
			o := redis.Options{Prefix: "across", SafetyRead: time.Hour}
			if deaf {
				o.SafetyRead = 50 * time.Millisecond
			}
			near := newStore(t, client, o)
			if deaf {
				near.Deafen()
			}
			l, far := open(t, near, "a"), open(t, newStore(t, client, o), "a")
			link := attach(t, l, "r")
			woken := make(chan struct{}, 1)
			defer l.Watch(func() {
				select {
				case woken <- struct{}{}:
				default:
				}
			})()

			last := uint64(0)
			learns := func(what string, step func() error) {
				t.Helper()
				if err := step(); err != nil {
					t.Fatal(err)
				}
				for limit := time.After(20 * time.Second); ; {
					_, tail, err := l.Read(ctx, link, 0, 1, nil)
					if err != nil {
						t.Fatal(err)
					}
					if tail.Topics != last {
						last = tail.Topics
						return
					}
					select {
					case <-woken:
					case <-limit:
						t.Fatal(what, ": the link does not learn of it")
					}
				}
			}
			learns("a join", func() error { return joins(far, "a", store.LinkRef{}, 1) })
			learns("a join of the link", func() error { return joins(far, "b", link, 1) })
			learns("a removal", func() error { return leaves(far, "a", store.LinkRef{}, "out") })
			if got := membership(t, l, link); got != "b@1 left a: out" {
				t.Error(got)
			}
		})
	}
}

// A Move whose node dies before any of its steps leaves a session with all memberships of
// the whole, whoever finds it.
func TestT2MembershipsInAnInterruptedMove(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(2)
	for _, joined := range []bool{false, true} {
		for step := 0; ; step++ {
			o := redis.Options{Prefix: fmt.Sprint("moves-", joined, step)}
			s, other := newStore(t, c, o), newStore(t, c, o)
			l := open(t, s, far[0])
			if err := errors.Join(
				joins(l, "a", store.LinkRef{}, 1),
				joins(l, "b", attach(t, l, "r"), 2),
			); err != nil {
				t.Fatal(err)
			}
			if joined {
				if err := joins(open(t, s, far[1]), "c", store.LinkRef{}, 3); err != nil {
					t.Fatal(err)
				}
			}

			n := 0
			s.Cut(func() bool { n++; return n > step })
			_, err := s.Move(ctx, far[0], far[1], store.Moving{Settle: store.Settle})
			at, want := far[1], "a@1"
			if joined {
				want = "c@3 a@1"
			}
			redis.Hurry(other)
			for range 3 {
				if _, err := other.Expired(ctx, 100); err != nil {
					t.Fatal(err)
				}
			}
			is, _, no := other.Open(ctx, at, store.Asked{}, false, roomy)
			if step <= 2 && err != nil {
				is, _, no = other.Open(ctx, far[0], store.Asked{}, false, roomy)
				want = "a@1"
			}
			if no != nil {
				t.Fatalf("cut before step %d: %v", step, no)
			}
			if got := membership(t, is, attach(t, is, "new")); got != want {
				t.Errorf("cut before step %d (%v): %q, want %q", step, err, got, want)
			}
			if err == nil {
				break
			}
		}
	}
}

// Redis holds no more for a session than a bounded number of memberships and notices.
func TestT2MembershipsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	for i := range 300 {
		if err := leaves(l, fmt.Sprint("t", i), link, "no"); err != nil {
			t.Fatal(err)
		}
	}
	of, err := l.Topics(ctx, link)
	if err != nil || len(of.Notices) != 256 || of.Notices[255].Topic != "t299" {
		t.Errorf("%d notices, %v; want the last 256", len(of.Notices), err)
	}

	joinsMany := func(topic string) error {
		return l.JoinTopic(ctx, store.TopicJoin{Topic: topic, At: position(topic, 1), Max: 1 << 20})
	}
	if err := joinsMany("first"); err != nil {
		t.Fatal(err)
	}
	if err := redis.FillMemberships(s, l, 4095); err != nil {
		t.Fatal(err)
	}
	if err := joinsMany("last"); err != nil {
		t.Fatal(err)
	}
	if err := joinsMany("one more"); !errors.Is(err, store.ErrTopics) {
		t.Errorf("JoinTopic beyond 4096: %v, want ErrTopics", err)
	}
	if err := joinsMany("first"); err != nil {
		t.Errorf("JoinTopic again: %v", err)
	}
}

// On a full Redis no join is taken, but everything else goes on.
func TestT2MembershipsOnAFullRedis(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--maxmemory-policy", "noeviction")
	s := newStore(t, dial(t, server.addr), redis.Options{})
	l := open(t, s, "a")
	link := attach(t, l, "r")
	if err := joins(l, "a", link, 1); err != nil {
		t.Fatal(err)
	}

	server.do("CONFIG", "SET", "maxmemory", "1")
	if err := joins(l, "b", link, 1); !errors.Is(err, store.ErrBudget) {
		t.Errorf("JoinTopic: %v, want ErrBudget", err)
	}
	if got := membership(t, l, link); got != "a@1" {
		t.Error(got)
	}
	if err := errors.Join(
		l.TopicTold(ctx, link, "a", store.TopicTold{Asked: 1}),
		l.AckTopics(ctx, link, []store.TopicPosition{position("a", 2)}),
		leaves(l, "a", link, "out"),
	); err != nil {
		t.Error(err)
	}
	if got := membership(t, l, link); got != "left a: out" {
		t.Error(got)
	}
	server.do("CONFIG", "SET", "maxmemory", "0")
	if err := joins(l, "b", link, 1); err != nil {
		t.Error(err)
	}
}
