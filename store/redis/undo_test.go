package redis_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// slowly is the way to a Redis with a round trip of 10 ms.
func slowly(t testing.TB, server *server) *miragetest.Proxy {
	proxy := miragetest.NewProxy(t, server.addr)
	proxy.Delay(5 * time.Millisecond)
	return proxy
}

// A client gives up a POST while Redis answers. When it comes again, at the same node or
// another one, it is served at once, and no two handlers run at once for one writer.
func TestU2AbortedPostGivesItsTurnBack(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var handled, both atomic.Int64
	var running sync.Map
	mo := session.Options{Rate: -1, OnMessage: func(_ context.Context, _ *session.Session, in session.Incoming) error {
		if _, twice := running.LoadOrStore(in.Writer, true); twice {
			both.Add(1)
		}
		defer running.Delete(in.Writer)
		handled.Add(1)
		return nil
	}}

	var nodes [2]node
	for i := range nodes {
		nodes[i] = newNode(t, slowly(t, server).Addr(), "aborted", redis.Options{}, mo)
	}
	a, err := nodes[0].Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()

	message := func(writer string) session.Upstream {
		return session.Upstream{
			ID: "x", Link: a.Hello.Link, Writer: writer, Base: 1,
			Messages: []session.Numbered{{Number: 1, Message: store.Text("x")}},
		}
	}

	if _, err := nodes[0].Receive(ctx, message("first")); err != nil { // Redis knows the scripts
		t.Fatal(err)
	}
	handled.Store(0)

	const clients = 31
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			up := message(fmt.Sprint(i))
			gone, cancel := context.WithTimeout(ctx, time.Duration(1+i)*time.Millisecond)
			nodes[0].Receive(gone, up)
			cancel()

			start := time.Now()
			if got, err := nodes[i%2].Receive(ctx, up); err != nil || got.Accepted != 1 {
				t.Errorf("client %d: the next try: %+v, %v", i, got, err)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("client %d waited %v for its own turn", i, took)
			}
		})
	}

	all.Wait()
	if n := handled.Load(); n != clients || both.Load() > 0 {
		t.Errorf("%d messages were handled %d times, %d of them beside another", clients, n, both.Load())
	}
}

// Begin and Commit whose answers are lost, and steps that come late.
func TestU2TurnHasAnOwner(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := miragetest.NewProxy(t, server.addr)
	near := newStore(t, dial(t, server.addr), redis.Options{Prefix: "owner"})
	far := newStore(t, dial(t, proxy.Addr()), redis.Options{Prefix: "owner", Timeout: 200 * time.Millisecond})
	l, away := open(t, near, "a"), open(t, far, "a")
	begin := func(l store.Log, n uint64, lease time.Duration) (store.Turn, uint64, error) {
		return l.Begin(ctx, store.LinkRef{}, "w", 1, n, lease)
	}
	gets := func(what string, n uint64, want store.Turn, last uint64) {
		t.Helper()
		until(t, what, func() bool {
			got, is, err := begin(l, n, time.Hour)
			return err == nil && got == want && is == last
		})
	}

	t.Log("a Begin without an answer")
	proxy.Delay(500 * time.Millisecond)
	if _, _, err := begin(away, 1, time.Hour); !errors.Is(err, store.ErrUncertain) {
		t.Fatal(err)
	}
	proxy.Heal()
	gets("the turn is given back", 1, store.TurnDeliver, 0)
	if err := l.Commit(ctx, "w", 1, true); err != nil {
		t.Fatal(err)
	}

	t.Log("a Begin that comes after it was given back")
	if turn, err := redis.BeginLate(far, away, "w", 2); err != nil || turn == store.TurnDeliver {
		t.Fatal(turn, err)
	}

	t.Log("a Commit without an answer")
	if turn, _, err := begin(away, 2, time.Hour); err != nil || turn != store.TurnDeliver {
		t.Fatal(turn, err)
	}
	proxy.Hole()
	if err := away.Commit(ctx, "w", 2, true); !errors.Is(err, store.ErrUncertain) {
		t.Fatal(err)
	}
	proxy.Heal()
	proxy.Cut(miragetest.RST)
	gets("the number is accepted", 2, store.TurnDone, 2)

	t.Log("a Commit after the lease, when another one has the turn")
	if turn, _, err := begin(away, 3, time.Millisecond); err != nil || turn != store.TurnDeliver {
		t.Fatal(turn, err)
	}
	gets("the turn of the other one", 3, store.TurnAgain, 2)
	if err := away.Commit(ctx, "w", 3, false); err != nil {
		t.Fatal(err)
	}
	if turn, _, err := begin(away, 3, time.Hour); err != nil || turn != store.TurnBusy {
		t.Errorf("while the other one has the turn: %v, %v", turn, err)
	}
	if err := l.Commit(ctx, "w", 3, true); err != nil {
		t.Fatal(err)
	}
}

// A link that nobody has, because its answer was lost, ends and leaves no reader. If the
// lost answer was about a request that carried a link on, the earlier request has the
// link again.
func TestD7LinkWithoutAnOwner(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := miragetest.NewProxy(t, server.addr)
	near := newStore(t, dial(t, server.addr), redis.Options{Prefix: "ownerless"})
	far := newStore(t, dial(t, proxy.Addr()), redis.Options{Prefix: "ownerless", Timeout: 200 * time.Millisecond})
	l, away := open(t, near, "a"), open(t, far, "a")
	polls, err := l.Attach(ctx, store.Claim{Reader: "polls"})
	if err != nil {
		t.Fatal(err)
	}
	lost := func(c store.Claim) {
		t.Helper()
		proxy.Delay(500 * time.Millisecond)
		if _, err := away.Attach(ctx, c); !errors.Is(err, store.ErrUncertain) {
			t.Fatal(err)
		}
		proxy.Heal()
		until(t, "the link is given back", func() bool { return !far.Insists() })
		if got := redis.Readers(near, l); got != "polls:1" {
			t.Errorf("%+v: readers and their links: %s", c, got)
		}
	}

	lost(store.Claim{Reader: "comes"})
	lost(store.Claim{Reader: "polls"})
	lost(store.Claim{Reader: "polls", Link: polls.Link.Number})
	if _, _, err := l.Read(ctx, polls.Link, 0, 100, nil); err != nil {
		t.Errorf("the request before it: %v", err)
	}
	if _, err := redis.AttachLate(far, away, "late"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a link that was given back begins late: %v", err)
	}
	if got := redis.Readers(near, l); got != "polls:1" {
		t.Errorf("readers and their links: %s", got)
	}
}
