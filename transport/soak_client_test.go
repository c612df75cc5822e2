package transport_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store"
)

// lastText is the last message of each session and topic.
const lastText = "the last message"

// wander is the life of a client in Go.
func wander(
	t *testing.T, s *site, came *chains, topics *topicFeed, length time.Duration, random *rand.Rand,
) (sum tally) {
	ctx, cancel := context.WithTimeout(t.Context(), length+2*time.Minute)
	defer cancel()
	proxy := miragetest.NewProxy(t, s.srv.URL)
	var links atomic.Int64
	c, h, err := s.connect(ctx, proxy.URL()+"/live", client.Options{
		MaxDelay: 20 * time.Millisecond,
		OnState: func(state client.State) {
			if state.Phase == client.PhaseOpen {
				links.Add(1)
			}
		},
	})
	if err != nil {
		t.Error(err)
		return sum
	}
	defer h.CloseIdleConnections()
	id := c.ID()

	// The messages, while the network is bad.
	bad, stop := context.WithTimeout(ctx, length)
	defer stop()
	var work sync.WaitGroup
	forecast, route := rand.New(rand.NewPCG(random.Uint64(), 1)), rand.New(rand.NewPCG(random.Uint64(), 2))
	work.Go(func() { weather(bad, proxy, forecast) })
	work.Go(func() { changeTransports(bad, c, route) })
	sent, up := 0, newChain("up", id)
	work.Go(func() {
		sent = pour(bad, t, s.m, id)
		if _, err := s.m.Send(ctx, id, store.Text(lastText)); err != nil {
			t.Error(err)
		}
	})
	work.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); bad.Err() == nil; <-tick.C {
			if err := c.Send(ctx, client.Message{Data: []byte(up.next())}); err != nil {
				t.Errorf("%s: Send: %v", id, err)
			}
		}
	})
	var ofTopics [2]tally
	work.Go(func() { ofTopics[0] = readPlain(ctx, t, c, topics.plain) })
	work.Go(func() { ofTopics[1] = readGrowing(ctx, t, c, topics.growing) })
	down := readChain(ctx, t, c, id)
	work.Wait()

	if err := c.Close(ctx); err != nil {
		t.Errorf("%s: Close: %v", id, err)
	}
	if got := came.forget(s.m, id); got != up.n {
		t.Errorf("%s: %d of %d came up", id, got, up.n)
	}
	if down.down+down.lost != sent {
		t.Errorf("%s: %d of %d came down, %d told as lost", id, down.down, sent, down.lost)
	}
	sum = tally{down: down.down, lost: down.lost, up: up.n, links: int(links.Load())}
	sum.add(ofTopics[0])
	sum.add(ofTopics[1])
	return sum
}

// changeTransports changes at random, each 50 to 500 ms.
func changeTransports(ctx context.Context, c *client.Client, random *rand.Rand) {
	for ctx.Err() == nil {
		pause(ctx, random)
		one, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		_ = c.Use(one, clientTransports[random.IntN(3)]) // the network may be down
		cancel()
	}
}

// readChain reads the session of a client up to the last message.
func readChain(ctx context.Context, t *testing.T, c *client.Client, id string) (sum tally) {
	chain := newChain("down", id)
	for m, err := range c.Messages(ctx) {
		if lost, ok := errors.AsType[*client.LostError](err); ok {
			sum.lost += int(lost.To - lost.From + 1)
			err = chain.skip(int(lost.From), int(lost.To))
		} else if err == nil {
			if string(m.Data) == lastText {
				m.Ack()
				return sum
			}
			sum.down++
			err = chain.take(string(m.Data))
		}
		if err == nil && m.Again {
			err = fmt.Errorf("message %d comes again", chain.n)
		}
		if err != nil {
			t.Errorf("%s: %v", id, err)
			return sum
		}
	}
	return sum
}
