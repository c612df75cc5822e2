package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// The readers of a node that died are reported gone by another node, once each.
func TestDepartureFromADeadNode(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	lifeline := miragetest.NewProxy(t, addr)
	const lease = time.Second
	a := newStore(t, dial(t, lifeline.Addr()),
		redis.Options{Prefix: "dead", Lease: lease, Timeout: 300 * time.Millisecond})

	var mu sync.Mutex
	var left []string
	note := func(_ context.Context, s *session.Session, r session.ReaderInfo) {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, fmt.Sprint(s.ID(), "/", r.Reader, "/", r.Plain))
	}

	// Two nodes look; one tells.
	short := session.Options{Heartbeat: 200 * time.Millisecond, Retention: 2 * time.Second, OnDetach: note}
	b := newNode(t, addr, "dead", redis.Options{Lease: lease}, short)
	c := newNode(t, addr, "dead", redis.Options{Lease: lease}, short)
	bounds := roomy
	bounds.Retention = time.Hour
	for i := range 4 {
		l, _, err := a.Open(ctx, fmt.Sprint("s", i), store.Asked{}, true, bounds)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Attach(ctx, store.Claim{Reader: "r", Plain: i == 3}); err != nil {
			t.Fatal(err)
		}
	}

	lifeline.Hole()
	for _, n := range []node{b, c} { // each has somebody who stays
		l, err := n.Attach(ctx, session.Attach{ID: "s0", Reader: "stays", Wake: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			var batch session.Batch
			for {
				select {
				case <-time.After(100 * time.Millisecond):
					_ = l.Take(ctx, &batch)
				case <-stop:
					return
				}
			}
		}()
	}

	want := []string{"s0/r/false", "s1/r/false", "s2/r/false", "s3/r/true"}
	until(t, "the departures are told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(left) >= len(want)
	})

	mu.Lock()
	defer mu.Unlock()
	slices.Sort(left)
	if !slices.Equal(left, want) {
		t.Errorf("told of %q, want %q", left, want)
	}
}

func TestRevalidateAcrossNodes(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	a := newNode(t, addr, "renew", redis.Options{}, session.Options{})
	b := newNode(t, addr, "renew", redis.Options{}, session.Options{})
	l, err := b.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	settled(t, a, l)
	began := time.Now()
	if err := a.Revalidate(ctx, "x"); err != nil {
		t.Fatal(err)
	}
	end := endOf(t, l)
	took := time.Since(began)
	t.Logf("the other node's link ended after %v", took)
	if end != session.EndRenewed || took > time.Second {
		t.Errorf("the link ended as %q after %v", end, took)
	}
	if err := a.Revalidate(ctx, "nobody"); err != nil {
		t.Errorf("without a session: %v", err)
	}
}

// Redis gets the question for expired sessions, and its answer is lost: it is given
// again, once.
func TestExpiredAnswerIsLost(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 300 * time.Millisecond})
	brief := roomy
	brief.Retention = time.Millisecond

	const all = 5
	told := map[string]int{}
	if _, err := redis.ClaimAll(s); err != nil { // Redis has to know the script
		t.Fatal(err)
	}
	for i := range all {
		l, _, err := s.Open(ctx, fmt.Sprint("s", i), store.Asked{}, true, brief)
		if err != nil {
			t.Fatal(err)
		}
		put(t, l, "x")

		time.Sleep(5 * time.Millisecond)
		server.cmd.Process.Signal(syscall.SIGSTOP)
		err = redis.Claim(s, fmt.Sprint("s", i))
		server.cmd.Process.Signal(syscall.SIGCONT)
		if !errors.Is(err, store.ErrUncertain) {
			t.Fatalf("Redis stands still: %v", err)
		}

		until(t, "Redis has heard the question", func() bool {
			_, _, err := s.Open(ctx, fmt.Sprint("s", i), store.Asked{}, false, brief)
			return errors.Is(err, store.ErrNotFound)
		})
		until(t, "it answers", func() bool {
			due, err := s.Expired(ctx, 100)
			for _, e := range due.Ended {
				told[e.ID] += len(e.Messages)
			}
			return err == nil && len(told) == i+1
		})
	}

	for id, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", id, n)
		}
	}
}

// A question that arrives after a later one claims nothing, because nobody would get the
// answer.
func TestLateQuestionClaimsNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	brief := roomy
	brief.Retention = 300 * time.Millisecond
	l, _, err := s.Open(ctx, "a", store.Asked{}, true, brief)
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, "x")
	if err := redis.AskLate(s, "a"); err != nil {
		t.Fatal(err)
	}
	due, err := s.Expired(ctx, 10)
	if err != nil || len(due.Ended) != 1 {
		t.Errorf("Expired = %+v, %v; want the session", due, err)
	}
}

// A node that saw a departure and shut down before it could tell of it leaves that to
// another one.
func TestDepartureOfAShutDownNode(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	s := newStore(t, dial(t, m.Addr()), redis.Options{Timeout: 20 * time.Second})
	l := open(t, s, "a")

	var refs []store.LinkRef
	for _, name := range []string{"stays", "gone", "told"} {
		a, err := l.Attach(ctx, store.Claim{Reader: name, Plain: name == "gone"})
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, a.Link)
	}

	for _, ref := range refs[1:] {
		left, err := l.Detach(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		if ref.Reader == "told" {
			if gone, err := l.Leave(ctx, ref.Reader, left); err != nil || !gone {
				t.Fatalf("Leave = %v, %v", gone, err)
			}
		}
	}

	var told []store.Left
	for after := range 5 {
		m.SetTime(time.Now().Add(time.Duration(after) * 10 * time.Second))
		due, err := s.Expired(ctx, 10)
		if err != nil || len(due.Ended) > 0 {
			t.Fatalf("Expired = %+v, %v", due, err)
		}
		if len(due.Left) > 0 && after < 3 {
			t.Errorf("told after %d s, before its own node would", after*10)
		}
		told = append(told, due.Left...)
	}

	if want := []store.Left{{ID: "a", Reader: "gone", Plain: true}}; !slices.Equal(told, want) {
		t.Errorf("told of %+v, want %+v", told, want)
	}
}
