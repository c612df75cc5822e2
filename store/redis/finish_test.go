package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// D6: an end with a last word waits for links at another node, and for a client that is
// on its way from one node to another.
func TestD6LastWordAtAnotherNode(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("away %t", away), func(t *testing.T) {
			ended := make(chan store.Ended, 1)
			mo := session.Options{OnEnd: func(_ context.Context, e store.Ended) { ended <- e }}
			prefix := fmt.Sprintf("last%t", away)
			here, there := newNode(t, addr, prefix, redis.Options{}, mo), newNode(t, addr, prefix, redis.Options{}, mo)

			c := &client{t: t, id: "a"}
			l := c.attach(there.Manager)
			if away {
				l.Close()
			}
			for _, text := range numbers(50) {
				if _, err := here.Send(ctx, "a", store.Text(text)); err != nil {
					t.Fatal(err)
				}
			}

			over := make(chan error, 1)
			go func() { over <- here.RevokeWith(ctx, "a", store.Text("last"), 20*time.Second) }()
			if away {
				l = c.attach(here.Manager)
			}

			want := append(numbers(50), "last")
			until(t, "the last word", func() bool {
				c.take(l)
				return len(c.got) == len(want)
			})

			select {
			case err := <-over:
				t.Fatalf("it ended before the acknowledgement: %v", err)
			default:
			}
			if err := c.up(there.Manager, l, 1); err != nil &&
				!errors.Is(err, store.ErrRevoked) && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the acknowledgement: %v", err)
			}

			if err := <-over; err != nil {
				t.Errorf("RevokeWith: %v", err)
			}
			until(t, "the end", func() bool { return !c.take(l) })

			l.Close()
			if !slices.Equal(c.got, want) {
				t.Errorf("got %q", c.got)
			}
			if e := <-ended; len(e.Messages) > 0 {
				t.Errorf("OnEnd has %d messages", len(e.Messages))
			}
		})
	}
}
