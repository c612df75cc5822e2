package hostile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
)

// app is an application that records its calls, and holds every tenth response back until
// release.
type app struct {
	mu      sync.Mutex
	calls   map[string][]session.Incoming
	release chan struct{}
}

func newApp() *app { return &app{calls: map[string][]session.Incoming{}, release: make(chan struct{})} }

func (a *app) onMessage(ctx context.Context, s *session.Session, in session.Incoming) error {
	a.mu.Lock()
	a.calls[s.ID()] = append(a.calls[s.ID()], in)
	a.mu.Unlock()
	if in.Number%10 == 0 {
		<-a.release
	}
	_, err := s.Send(ctx, in.Message)
	return err
}

func (a *app) count(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls[id])
}

// D2, U1: a process that dies under traffic comes back with empty memory, under the same
// address and keys. Each client is told exactly once, by one hello, and continues on its
// own. It resends the messages that it does not know to be accepted, and the application
// sees them flagged.
func TestU1Restart(t *testing.T) {
	const crowd = 20
	first, second := newApp(), newApp()
	close(second.release)

	s1 := newSite(t, setup{session: session.Options{OnMessage: first.onMessage}})
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()

	var clients []*client
	for i := range crowd {
		c := s1.client(fmt.Sprint("client", i))
		clients = append(clients, c)
		work.Go(func() { c.receive(ctx, i%2 == 1) })
		work.Go(func() { c.chatter(ctx, 40) })
	}
	for _, c := range clients {
		eventually(t, c.id+" waits for its tenth answer", func() bool { return first.count(c.id) == 10 })
	}

	dead, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s1.m.Shutdown(dead) // tells nobody: the connections are gone before
	s1.server.Close()
	close(first.release)
	s2 := newSite(t, setup{addr: s1.addr, session: session.Options{OnMessage: second.onMessage}})

	for _, c := range clients {
		eventually(t, c.id+" has all its messages accepted", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.last == 40 && len(c.kept) == 0
		})
	}
	// A client that reconnects to the second server continues as usual.
	if err := s2.m.Revalidate(context.Background(), "client0"); err != nil {
		t.Error(err)
	}
	eventually(t, "client0 is back", func() bool {
		clients[0].mu.Lock()
		defer clients[0].mu.Unlock()
		return clients[0].resumed > 0
	})

	stop()
	work.Wait()
	for _, c := range clients {
		c.mu.Lock()
		restarts := 0
		for i, h := range c.hellos {
			switch {
			case i == 0 && h.Reason == "new", h.Resumed:
			case h.Reason == "restarted":
				restarts++
				if h.Lost == nil || h.Lost.To != 0 {
					t.Errorf("%s: lost is %+v", c.id, h.Lost)
				}
			default:
				t.Errorf("%s: hello %d: %+v", c.id, i, h)
			}
		}
		if restarts != 1 || c.twice > 0 {
			t.Errorf("%s was told %d times of one restart; %d holes or repeats", c.id, restarts, c.twice)
		}
		c.mu.Unlock()

		before, after := first.calls[c.id], second.calls[c.id]
		if len(before) != 10 || len(after) == 0 || after[0].Number != 10 || !after[0].Again {
			t.Errorf("%s: the first server handled %d messages, the second began with %+v",
				c.id, len(before), after[:min(1, len(after))])
		}

		next := uint64(1)
		for _, in := range slices.Concat(before[:9], after) {
			if in.Number != next || string(in.Data) != fmt.Sprint("m", next) || in.Again && in.Number > 12 {
				t.Errorf("%s: %d came where %d was to come, again %t", c.id, in.Number, next, in.Again)
			}
			next++
		}
		if next != 41 {
			t.Errorf("%s: the last message was %d", c.id, next-1)
		}
	}
}

// receive keeps a link open, and reconnects as soon as it can.
func (c *client) receive(ctx context.Context, polls bool) {
	for ctx.Err() == nil {
		var err error
		switch {
		case polls:
			err = c.poll(ctx, "5")
		default:
			err = c.stream(ctx)
		}
		if err != nil {
			if polls && strings.HasPrefix(err.Error(), "401") {
				c.drop()
			}
			time.Sleep(10*time.Millisecond + rand.N(20*time.Millisecond)) // back-off
		}
	}
}

// drop forgets the link token.
func (c *client) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.hellos); n > 0 {
		c.hellos[n-1].Link = ""
	}
}

// chatter writes n messages, one or two at a time, each as soon as the previous ones are
// accepted.
func (c *client) chatter(ctx context.Context, n uint64) {
	for ctx.Err() == nil {
		c.mu.Lock()
		last, idle, ready := c.last, len(c.kept) == 0, len(c.hellos) > 0 && c.hellos[len(c.hellos)-1].Link != ""
		c.mu.Unlock()
		switch {
		case last == n && idle:
			return
		case idle:
			c.write(fmt.Sprint("m", last+1))
			if last%10 == 4 { // the tenth is sent alone, so that the ninth is known to be accepted
				c.write(fmt.Sprint("m", last+2))
			}
		}
		if err := error(nil); ready {
			if err = c.post(ctx); err == nil {
				continue
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}
