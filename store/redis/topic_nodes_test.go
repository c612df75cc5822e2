package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// T3, T10: visitors on two nodes read one room, to which both nodes publish. Each of them
// gets every message once and in order, although it goes from node to node, and pub/sub
// fails for a while.
func TestT3TwoManagers(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	options := session.Options{Topics: func(string) session.TopicOptions {
		return session.TopicOptions{MaxMessages: 10_000, MaxBytes: 10 << 20}
	}}
	so := redis.Options{SafetyRead: 200 * time.Millisecond}
	nodes := []node{newNode(t, server.addr, "two", so, options), newNode(t, server.addr, "two", so, options)}

	const visitors, messages = 8, 300
	var wg sync.WaitGroup
	for v := range visitors {
		id := fmt.Sprint("visitor", v)
		s, err := nodes[v%2].Open(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Join(ctx, "room", session.FromStart); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { visit(t, nodes, id, messages) })
	}
	for i := range messages {
		if _, err := nodes[rand.IntN(2)].Topic("room").Publish(ctx, store.Text(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
		if i%100 == 50 {
			server.do("CLIENT", "KILL", "TYPE", "pubsub")
		}
	}
	wg.Wait()
}

// visit reads the room until all messages have come, on one node after the other.
func visit(t *testing.T, nodes []node, id string, messages int) {
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	next, position := 0, ""
	for links := 0; next < messages; links++ {
		l, err := nodes[rand.IntN(len(nodes))].Attach(limit, session.Attach{ID: id, Reader: "r", Position: position})
		if err != nil {
			t.Errorf("%s: Attach: %v", id, err)
			return
		}
		position = l.Hello.Position.String()
		at := ""
		var b session.Batch
		for n := 0; n < 60 && next < messages; {
			if err := l.Next(limit, &b); err != nil {
				t.Errorf("%s has %d messages: Next: %v", id, next, err)
				break
			}
			for _, block := range b.Topics {
				if m := block.Entry.Message; m != nil {
					if string(m.Data) != strconv.Itoa(next) {
						t.Errorf("%s gets %s, want %d", id, m.Data, next)
						return
					}
					next++
					n++
				}
				if block.Position != (store.TopicPosition{}) {
					at = block.Position.String()
				}
			}
			if b.End != "" {
				break
			}
		}
		l.Close()
		position += at
		if limit.Err() != nil {
			return
		}
	}
}

// T8: members on two nodes are one list, and a node that shuts down takes its own along.
func TestT8TwoManagers(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	options := session.Options{Topics: func(string) session.TopicOptions {
		return session.TopicOptions{Presence: true}
	}}
	nodes := []node{
		newNode(t, server.addr, "two", redis.Options{}, options),
		newNode(t, server.addr, "two", redis.Options{}, options),
	}
	for i := range 6 {
		id := fmt.Sprint("visitor", i)
		s, err := nodes[i%2].Open(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Join(ctx, "room", session.FromNow); err != nil {
			t.Fatal(err)
		}
		l, err := nodes[i%2].Attach(ctx, session.Attach{ID: id, Reader: "r"})
		if err != nil {
			t.Fatal(err)
		}
		go func() { // until the link ends
			var b session.Batch
			for l.Next(ctx, &b) == nil && b.End == "" {
			}
			l.Close()
		}()
	}
	members := func(n node) int {
		all, err := n.Topic("room").Members(ctx)
		if err != nil && !errors.Is(err, store.ErrUncertain) {
			t.Fatal(err)
		}
		return len(all)
	}
	until(t, "all are there", func() bool { return members(nodes[0]) == 6 && members(nodes[1]) == 6 })
	late, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := nodes[0].Shutdown(late); err != nil {
		t.Fatal(err)
	}
	until(t, "half of them have left", func() bool { return members(nodes[1]) == 3 })
}
