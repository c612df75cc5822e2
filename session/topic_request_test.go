package session

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store/memory"
)

// T6: Options.Topics may panic for a name that a client made up. The join is refused, and
// the server goes on.
func TestT6TopicsPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := node(t, Options{OnJoin: letJoin, Topics: func(name string) TopicOptions {
			if name == "bad" {
				panic("no such kind of topic")
			}
			return TopicOptions{}
		}})
		l := stream(t, m, "id", "r")
		ask(t, m, l, TopicRequest{Topic: "bad"}, TopicRequest{Topic: "good"})
		synctest.Wait()
		blocks := takeAll(t, l)
		if _, left := texts(blocks); len(blocks) != 2 || len(left) != 1 || left[0] != 503 {
			t.Errorf("%d blocks, left %v", len(blocks), left)
		}
		l.Close()
	})
}

// T6: Remove also ends a join that OnJoin has allowed before, on whatever node either is.
func TestT6RemoveWhileAJoinIsAsked(t *testing.T) {
	for _, here := range []bool{true, false} {
		t.Run(fmt.Sprint("same node: ", here), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, answer, removed := make(chan struct{}), make(chan struct{}), false
				o := Options{Store: memory.New(memory.Options{})}
				by := node(t, o)
				o.OnJoin = func(context.Context, *Session, *Join) error {
					if removed {
						return fmt.Errorf("removed")
					}
					close(asked)
					<-answer
					return nil
				}
				m := node(t, o)
				if here {
					by = m
				}
				l := stream(t, m, "id", "r")
				defer l.Close()
				ask(t, m, l, TopicRequest{Topic: "room:7"})
				<-asked // it has seen that the session may join
				removed = true
				if err := by.Topic("room:7").Remove(t.Context(), "id"); err != nil {
					t.Fatal(err)
				}
				close(answer)
				synctest.Wait()
				publish(t, by, "room:7", "secret")
				if said, left := texts(takeAll(t, l)); len(said) > 0 || len(left) != 1 || left[0] != 403 {
					t.Errorf("it was removed, reads %q, and is told %v", said, left)
				}
			})
		})
	}
}

// T6: who was removed does not get what the topic retains when it ends.
func TestT6RemovedBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := node(t, Options{OnJoin: letJoin})
		l := stream(t, m, "id", "r")
		ask(t, m, l, TopicRequest{Topic: "room:7"})
		synctest.Wait()
		takeAll(t, l)
		if err := m.Topic("room:7").Remove(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		publish(t, m, "room:7", "secret")
		if err := m.Topic("room:7").End(t.Context()); err != nil {
			t.Fatal(err)
		}
		said, left := texts(takeAll(t, l))
		if len(said) > 0 || len(left) != 1 || left[0] != 403 {
			t.Errorf("it was removed, reads %q, and is told %v", said, left)
		}
		l.Close()
	})
}

// T6: the joins of a client are bounded in time, whether its links are here or not.
func TestT6JoinsAreBounded(t *testing.T) {
	for _, here := range []bool{true, false} {
		t.Run(fmt.Sprint("link here: ", here), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				o := Options{Store: memory.New(memory.Options{}), OnJoin: func(context.Context, *Session, *Join) error {
					asked.Add(1)
					return fmt.Errorf("no")
				}}
				m, other := node(t, o), node(t, o)
				l := stream(t, m, "id", "r")
				if !here {
					m = other
				}
				for range 10 {
					var all []TopicRequest
					for i := range 200 {
						all = append(all, TopicRequest{Topic: fmt.Sprint("t", i), Info: json.RawMessage("1")})
					}
					ask(t, m, l, all...)
					synctest.Wait()
				}
				if n := asked.Load(); n > 300 {
					t.Errorf("OnJoin was asked %d times at once", n)
				}
				l.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}

// T6: a join that comes to another node than the link's is told on the link, which reads
// the topic. So is a refusal. Members count each session once.
func TestT6JoinOnAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: memory.New(memory.Options{}), Topics: withPresence,
			OnJoin: func(_ context.Context, _ *Session, j *Join) error {
				if j.Topic == "no" {
					return fmt.Errorf("no")
				}
				return nil
			}}
		a, b := node(t, o), node(t, o)
		l := stream(t, a, "id", "r")
		ask(t, b, l, TopicRequest{Topic: "room:7"}, TopicRequest{Topic: "no"})
		synctest.Wait()
		if _, left := texts(takeAll(t, l)); len(left) != 1 || left[0] != 403 {
			t.Errorf("left %v", left)
		}
		other := stream(t, b, "id", "s")
		ask(t, a, other, TopicRequest{Topic: "room:7"})
		synctest.Wait()
		takeAll(t, other)
		if all, err := b.Topic("room:7").Members(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("members: %v, %v", all, err)
		}
		publish(t, b, "room:7", "x")
		for _, k := range []*Link{l, other} {
			if said, _ := texts(takeAll(t, k)); len(said) != 1 {
				t.Errorf("said %v", said)
			}
		}
		if err := b.Topic("room:7").Remove(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*Link{l, other} {
			if _, left := texts(takeAll(t, k)); len(left) != 1 || left[0] != 403 {
				t.Errorf("removed: %v", left)
			}
			k.Close()
		}
		time.Sleep(afterPresence)
		synctest.Wait()
		if all, err := b.Topic("room:7").Members(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("members at the end: %v, %v", all, err)
		}
		if n := len(a.hubs.named) + len(b.hubs.named); n > 0 {
			t.Errorf("%d hubs left", n)
		}
	})
}

// T6: polls that alternate between two nodes are told once, and bring each message once.
func TestT6PollsAlternate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Store: memory.New(memory.Options{}), OnJoin: letJoin, Topics: withPresence}
		nodes := []*Manager{node(t, o), node(t, o)}
		l := pollOn(t, nodes[0], "r", 0)
		number, position := l.Hello.Link.Number, ""
		ask(t, nodes[1], l, TopicRequest{Topic: "room:7"})
		synctest.Wait()
		joined, said, members := 0, 0, 0
		take := func(l *Link) (n int) {
			for _, b := range takeAll(t, l) {
				n++
				switch {
				case b.Joined != nil:
					joined++
				case b.Members != nil:
					members++
				case b.Entry.Message != nil:
					said++
				}
				if b.Position.Epoch != 0 {
					position = b.Position.String()
				}
			}
			return n
		}
		take(l)
		l.Park(time.Minute)
		for i := range 10 {
			m := nodes[(i+1)%2]
			p, err := m.Attach(t.Context(), Attach{
				ID: "id", Reader: "r", Number: number, Poll: true, Wake: func() {}, Position: position,
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := take(p); n > 1 {
				t.Errorf("poll %d: %d blocks", i, n)
			}
			if i%3 == 0 {
				publish(t, nodes[0], "room:7", "x")
				take(p)
			}
			p.Park(time.Minute)
			time.Sleep(2 * time.Second)
		}
		if joined != 1 || said != 4 || members > 1 {
			t.Errorf("joined %d times, %d messages, %d lists of members", joined, said, members)
		}
		if all, err := nodes[0].Topic("room:7").Members(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("members: %v, %v", all, err)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if all, err := nodes[0].Topic("room:7").Members(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("members at the end: %v, %v", all, err)
		}
	})
}
