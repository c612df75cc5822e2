package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// node is one process of an application: its own client, Store and Manager.
type node struct {
	*session.Manager
	store *redis.Store
}

func newNode(t testing.TB, addr, prefix string, so redis.Options, mo session.Options) node {
	t.Helper()
	return newNodeOn(t, dial(t, addr), prefix, so, mo)
}

func newNodeOn(t testing.TB, c rueidis.Client, prefix string, so redis.Options, mo session.Options) node {
	t.Helper()
	so.Prefix = prefix
	s := newStore(t, c, so)
	mo.Store = s
	m := session.New(mo)
	t.Cleanup(func() {
		late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		m.Shutdown(late)
	})
	return node{m, s}
}

// client is a scripted client: one reader and writer that may come to any node.
type client struct {
	t    testing.TB
	id   string
	pos  string
	last uint64 // seq
	got  []string
	why  []store.Missing
}

// attach opens a link at m.
func (c *client) attach(m *session.Manager) *session.Link {
	c.t.Helper()
	l, err := m.Attach(ctx, session.Attach{ID: c.id, Reader: "r", Position: c.pos})
	if err != nil {
		c.t.Fatalf("Attach: %v", err)
	}
	if !l.Hello.Resumed {
		c.why = append(c.why, l.Hello.Reason)
	}
	c.pos, c.last = l.Hello.Position.String(), l.Hello.Position.Seq
	return l
}

// take keeps what is there, and reports whether the link is still valid.
func (c *client) take(l *session.Link) bool {
	c.t.Helper()
	var b session.Batch
	for {
		if err := l.Take(ctx, &b); err != nil {
			c.t.Fatalf("Take: %v", err)
		}
		if b.Gap != (store.Lost{}) {
			c.t.Errorf("gap %v", b.Gap)
		}
		for _, e := range b.Entries {
			if e.Seq <= c.last { // clients drop what they have
				continue
			}
			if e.Seq != c.last+1 {
				c.t.Errorf("%d after %d", e.Seq, c.last)
			}
			c.got = append(c.got, string(e.Message.Data))
			c.last, c.pos = e.Seq, store.Position{Epoch: b.Epoch, Seq: e.Seq, Tag: e.Tag}.String()
		}
		if !b.More {
			return b.End == ""
		}
	}
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// up sends message n, with an acknowledgement of what has come.
func (c *client) up(m *session.Manager, l *session.Link, n uint64) error {
	_, err := m.Receive(ctx, session.Upstream{
		ID: c.id, Link: l.Hello.Link, Ack: c.pos, Writer: "w", Base: n,
		Messages: []session.Numbered{{Number: n, Message: store.Text(fmt.Sprint(n - 1))}},
	})
	return err
}

func TestTwoNodes(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	twoNodes(t, func() rueidis.Client { return dial(t, addr) }, func(i int) {
		if i%100 == 50 {
			c := dial(t, addr)
			if err := c.Do(ctx, c.B().ScriptFlush().Build()).Error(); err != nil {
				t.Errorf("SCRIPT FLUSH: %v", err)
			}
		}
	})
}

// twoNodes: any request may land on any node; 1 000 messages each way, 0 lost, 0 doubled,
// whatever happens after the i-th.
func twoNodes(t *testing.T, connect func() rueidis.Client, after func(i int)) {
	var mu sync.Mutex
	var handled []string
	mo := session.Options{Rate: -1, OnMessage: func(_ context.Context, _ *session.Session, in session.Incoming) error {
		mu.Lock()
		defer mu.Unlock()
		handled = append(handled, string(in.Data))
		return nil
	}}

	nodes := []node{
		newNodeOn(t, connect(), "two", redis.Options{}, mo),
		newNodeOn(t, connect(), "two", redis.Options{}, mo),
	}

	any := func() *session.Manager { return nodes[rand.IntN(2)].Manager }
	const all = 1000
	c := &client{t: t, id: "a"}
	l := c.attach(any())

	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range all {
			for {
				_, err := any().Send(ctx, "a", store.Text(fmt.Sprint(i)))
				if err == nil {
					break
				}
				t.Errorf("Send: %v", err)
				return
			}
			after(i)
		}
	}()

	for n := uint64(1); n <= all || len(c.got) < all; n++ {
		if !c.take(l) || rand.IntN(4) == 0 {
			old := l
			l = c.attach(any())
			if rand.IntN(2) == 0 {
				old.Close()
			} else {
				defer old.Close() // the server has not noticed
			}
		}

		if n > all {
			if err := c.ackOnly(any(), l); err != nil {
				t.Fatalf("Receive: %v", err)
			}
			continue
		}
		if err := c.up(any(), l, n); err != nil {
			t.Fatalf("Receive %d: %v", n, err)
		}
		if rand.IntN(10) == 0 { // the answer was lost
			if err := c.up(any(), l, n); err != nil {
				t.Fatalf("Receive %d again: %v", n, err)
			}
		}
	}

	<-sent
	l.Close()
	if !slices.Equal(c.got, numbers(all)) {
		t.Errorf("down: %d messages, want %d in order, once each", len(c.got), all)
	}
	if !slices.Equal(handled, numbers(all)) {
		t.Errorf("up: %d messages, want %d in order, once each", len(handled), all)
	}
	if len(c.why) != 1 || c.why[0] != store.MissingNoPosition {
		t.Errorf("hellos that did not resume: %q; want the first alone", c.why)
	}
}

func (c *client) ackOnly(m *session.Manager, l *session.Link) error {
	_, err := m.Receive(ctx, session.Upstream{ID: c.id, Link: l.Hello.Link, Ack: c.pos})
	return err
}

func TestNodeDies(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	lifeline := miragetest.NewProxy(t, addr)
	mo := session.Options{
		Heartbeat: 200 * time.Millisecond,
		Retention: 500 * time.Millisecond,
		Logger:    slog.New(slog.DiscardHandler),
	}

	a := newNode(t, lifeline.Addr(), "dies", redis.Options{Lease: time.Second, Timeout: 500 * time.Millisecond}, mo)
	ended := make(chan store.Ended, 1)
	b := newNode(t, addr, "dies", redis.Options{Lease: time.Second}, session.Options{
		Heartbeat: 200 * time.Millisecond,
		Retention: 500 * time.Millisecond,
		OnEnd:     func(_ context.Context, e store.Ended) { ended <- e },
	})

	c := &client{t: t, id: "x"}
	first := c.attach(a.Manager)
	defer first.Close()
	ghost, err := a.Attach(ctx, session.Attach{ID: "left", Reader: "r", Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	defer ghost.Close()

	for i := range 100 {
		if _, err := a.Send(ctx, "x", store.Text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}

	lifeline.Hole() // nothing is heard of a any more
	l := c.attach(b.Manager)
	for i := range 100 {
		if _, err := b.Send(ctx, "x", store.Text(fmt.Sprint(100+i))); err != nil {
			t.Fatal(err)
		}
	}
	c.take(l)

	if !slices.Equal(c.got, numbers(200)) {
		t.Errorf("%d messages, want 200 in order, once each", len(c.got))
	}
	if err := c.ackOnly(b.Manager, l); err != nil {
		t.Error(err)
	}
	l.Close()

	seen := map[string]bool{}
	for !seen["x"] || !seen["left"] {
		select {
		case e := <-ended:
			seen[e.ID] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("sessions ended by the node that lives: %v; want both", seen)
		}
	}
}

func TestDeafNode(t *testing.T) {
	t.Parallel()
	// All of pub/sub is lost: delivery within the safety read.
	addr := startServer(t).addr
	const safety = 300 * time.Millisecond
	a := newNode(t, addr, "deaf", redis.Options{}, session.Options{})
	b := newNode(t, addr, "deaf", redis.Options{SafetyRead: safety}, session.Options{})
	b.store.Deafen()
	l, err := b.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()

	var batch session.Batch
	var worst time.Duration
	for i := range 6 {
		var began time.Time
		timer := time.AfterFunc(20*time.Millisecond, func() { // when Next has looked and waits
			began = time.Now()
			if _, err := a.Send(ctx, "x", store.Text(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
		defer timer.Stop()

		limit, cancel := context.WithTimeout(ctx, 5*time.Second)
		for len(batch.Entries) == 0 || string(batch.Entries[len(batch.Entries)-1].Message.Data) != fmt.Sprint(i) {
			if err := l.Next(limit, &batch); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		worst = max(worst, time.Since(began))
	}

	t.Logf("delivered after %v at worst; the safety read is every %v", worst, safety)
	if worst > 3*safety || worst < safety/20 {
		t.Errorf("delivered after %v; want it by the safety read", worst)
	}
}

func TestRevokeAcrossNodes(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	a := newNode(t, addr, "rev", redis.Options{}, session.Options{})
	b := newNode(t, addr, "rev", redis.Options{}, session.Options{})

	l, err := b.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	settled(t, a, l)

	stolen := store.Asked{Signed: b.Now(), Came: b.Now()}
	var began time.Time
	timer := time.AfterFunc(20*time.Millisecond, func() { // when Next has looked and waits
		began = time.Now()
		if err := a.Revoke(ctx, "x"); err != nil {
			t.Error(err)
		}
	})
	defer timer.Stop()

	end := endOf(t, l)
	took := time.Since(began)
	t.Logf("the other node's link ended after %v", took)

	if end != session.EndBarred || took > time.Second {
		t.Errorf("the link ended as %q after %v", end, took)
	}
	if is, err := b.Resolve(ctx, "x", stolen, ""); err != nil || is.State != store.StateRevoked {
		t.Errorf("Resolve on the other node: %+v, %v", is, err)
	}
}

// endOf reads a link to its end.
func endOf(t testing.TB, l *session.Link) session.End {
	t.Helper()
	var b session.Batch
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for b.End == "" {
		if err := l.Next(limit, &b); err != nil {
			t.Fatal(err)
		}
	}
	return b.End
}

// settled waits until a message of m wakes l: the subscription is there.
func settled(t testing.TB, m node, l *session.Link) {
	t.Helper()
	var b session.Batch
	for {
		began := time.Now()
		timer := time.AfterFunc(20*time.Millisecond, func() {
			if _, err := m.Send(ctx, l.ID(), store.Text("settle")); err != nil {
				t.Error(err)
			}
		})
		defer timer.Stop()
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		for len(b.Entries) == 0 {
			if err := l.Next(limit, &b); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		b.Entries = nil
		if time.Since(began) < time.Second {
			return
		}
	}
}

func TestBroadcastAcrossNodes(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	a := newNode(t, addr, "all", redis.Options{}, session.Options{})
	b := newNode(t, addr, "all", redis.Options{}, session.Options{})

	for i := range 20 {
		if _, err := []node{a, b}[i%2].Open(ctx, fmt.Sprint("s", i)); err != nil {
			t.Fatal(err)
		}
	}
	sent, err := a.Broadcast(ctx, store.Text("hi"))
	if err != nil || sent.Sessions != 20 || sent.Full != nil {
		t.Errorf("Broadcast = %+v, %v", sent, err)
	}

	one := &client{t: t, id: "s1"}
	l := one.attach(b.Manager)
	defer l.Close()
	other, err := b.Attach(ctx, session.Attach{ID: "s1", Reader: "r2"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()

	s, err := a.Open(ctx, "s1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SendTo(ctx, "r", store.Text("you")); err != nil {
		t.Fatal(err)
	}

	one.take(l)
	if !slices.Equal(one.got, []string{"hi", "you"}) {
		t.Errorf("got %q", one.got)
	}
}
