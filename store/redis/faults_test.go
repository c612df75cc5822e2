package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

var roomy = store.Bounds{
	MaxMessages: 1000,
	MaxBytes:    1 << 20,
	Retention:   time.Hour,
	MaxLinks:    32,
	MaxReaders:  128,
	MaxWriters:  32,
}

func open(t testing.TB, s store.Store, id string) store.Log {
	t.Helper()
	l, _, err := s.Open(ctx, id, store.Asked{}, true, roomy)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// texts is what is in a session, which it ends.
func texts(t testing.TB, s store.Store, id string) (all []string) {
	t.Helper()
	e, err := s.End(ctx, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Messages {
		all = append(all, string(m.Message.Data))
	}
	return all
}

func TestKilledWithAOF(t *testing.T) {
	for _, fsync := range []string{"always", "everysec"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			// kill -9: nothing that was acknowledged is lost, nothing repeated is
			// doubled.
			server := startServer(t, "--appendonly", "yes", "--appendfsync", fsync)
			s := newStore(t, dial(t, server.addr), redis.Options{Timeout: time.Second})
			l := open(t, s, "a")

			killed := make(chan struct{})
			go func() {
				defer close(killed)
				time.Sleep(100 * time.Millisecond)
				server.kill()
				time.Sleep(100 * time.Millisecond)
				server.start()
			}()

			const all = 600
			uncertain := 0
			for i := range all {
				m := store.Text(fmt.Sprint(i))
				for {
					_, err := l.Append(ctx, &m, "")
					if err == nil {
						break
					}
					if !errors.Is(err, store.ErrUncertain) {
						t.Fatalf("Append: %v", err)
					}
					uncertain++
				}
				time.Sleep(500 * time.Microsecond)
			}

			<-killed
			t.Logf("%d calls were uncertain", uncertain)
			if got := texts(t, s, "a"); !slices.Equal(got, numbers(all)) {
				t.Errorf("%d messages, want %d in order, once each", len(got), all)
			}
		})
	}
}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	proxy := miragetest.NewProxy(t, startServer(t).addr)
	const limit = time.Second
	s := newStore(t, dial(t, proxy.Addr()), redis.Options{Timeout: limit, SafetyRead: 500 * time.Millisecond})
	l := open(t, s, "a")
	a, err := l.Attach(ctx, store.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{}, 1)
	defer l.Watch(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})()

	m := store.Text("once")
	proxy.Hole()
	calls := map[string]func() error{
		"Append":  func() error { _, err := l.Append(ctx, &m, ""); return err },
		"Attach":  func() error { _, err := l.Attach(ctx, store.Claim{Reader: "q"}); return err },
		"Read":    func() error { _, _, err := l.Read(ctx, a.Link, 0, 100, nil); return err },
		"Ack":     func() error { return l.Ack(ctx, a.Link, a.Position) },
		"Detach":  func() error { _, err := l.Detach(ctx, store.LinkRef{Reader: "nobody"}); return err },
		"Leave":   func() error { _, err := l.Leave(ctx, "r", 9); return err },
		"Quit":    func() error { _, _, err := l.Quit(ctx, store.LinkRef{Reader: "nobody"}); return err },
		"Begin":   func() error { _, _, err := l.Begin(ctx, store.LinkRef{}, "w", 1, 1, time.Minute); return err },
		"Commit":  func() error { return l.Commit(ctx, "w", 1, true) },
		"Open":    func() error { _, _, err := s.Open(ctx, "b", store.Asked{}, true, roomy); return err },
		"Resolve": func() error { _, err := s.Resolve(ctx, "b", store.Asked{}, ""); return err },
		"Move":    func() error { _, err := s.Move(ctx, "x", "y", store.Moving{Settle: store.Settle}); return err },
		"End":     func() error { _, err := s.End(ctx, "x", 0); return err },
		"Expired": func() error { _, err := s.Expired(ctx, 1); return err },
	}

	type result struct {
		name string
		err  error
		took time.Duration
	}
	results := make(chan result)
	for name, call := range calls {
		go func() {
			began := time.Now()
			err := call()
			results <- result{name, err, time.Since(began)}
		}()
	}

	var worst time.Duration
	for range calls {
		r := <-results
		worst = max(worst, r.took)
		if !errors.Is(r.err, store.ErrUncertain) || r.took > 2*limit {
			t.Errorf("%s: %v after %v", r.name, r.err, r.took)
		}
	}

	t.Logf("the slowest call took %v; the limit is %v", worst, limit)
	proxy.Heal()
	until := time.Now().Add(20 * time.Second)
	// Perhaps by another connection each, which finds out for itself that it is dead.
	for _, name := range []string{"Append", "Read"} {
		for err = calls[name](); err != nil && time.Now().Before(until); {
			err = calls[name]()
		}
		if err != nil {
			t.Fatalf("%s after the hole: %v", name, err)
		}
	}

	// Another node's message wakes again.
	other := newStore(t, dial(t, proxy.Addr()), redis.Options{Prefix: s.Prefix()})
	far := open(t, other, "a")
	for heard := false; !heard; {
		if time.Now().After(until) {
			t.Fatal("nobody was woken after the hole")
		}
		select {
		case <-woken:
		default:
		}
		n := store.Text("far")
		if _, err := far.Append(ctx, &n, ""); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
			heard = true
		case <-time.After(time.Second):
		}
	}

	got := texts(t, s, "a")
	if len(got) == 0 || got[0] != "once" || slices.Contains(got[1:], "once") {
		t.Errorf("the log holds %.5q …; want the message of the hole once", got)
	}
}

func TestLateAnswer(t *testing.T) {
	t.Parallel()
	// Redis gets the append and answers too late; asked again, with or without an error
	// in between, it does it once.
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 400 * time.Millisecond})
	l := open(t, s, "a")
	const all = 5
	for i := range all {
		server.cmd.Process.Signal(syscall.SIGSTOP)
		if i%2 == 0 { // the second attempt of the same call finds it
			time.AfterFunc(250*time.Millisecond, func() { server.cmd.Process.Signal(syscall.SIGCONT) })
		}
		m := store.Text(fmt.Sprint(i))
		_, err := l.Append(ctx, &m, "")
		server.cmd.Process.Signal(syscall.SIGCONT)
		for n := 0; err != nil; n++ {
			if !errors.Is(err, store.ErrUncertain) || n > 20 {
				t.Fatalf("Append: %v", err)
			}
			_, err = l.Append(ctx, &m, "")
		}
	}
	if got := texts(t, s, "a"); !slices.Equal(got, numbers(all)) {
		t.Errorf("the log holds %q; want each of %d once", got, all)
	}
}

func TestNoMemory(t *testing.T) {
	t.Parallel()
	// A full Redis refuses, changes nothing by halves, and can still be emptied.
	c := dial(t, startServer(t).addr)
	limit := func(bytes string) {
		t.Helper()
		set := c.B().ConfigSet().ParameterValue().ParameterValue("maxmemory", bytes).Build()
		if err := c.Do(ctx, set).Error(); err != nil {
			t.Fatal(err)
		}
	}

	s := newStore(t, c, redis.Options{})
	l := open(t, s, "stays")
	a, err := l.Attach(ctx, store.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	m := store.Text("kept")
	p, err := l.Append(ctx, &m, "")
	if err != nil {
		t.Fatal(err)
	}

	brief := roomy
	brief.Retention = time.Millisecond
	goes, _, err := s.Open(ctx, "goes", store.Asked{}, true, brief)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := goes.Append(ctx, &m, ""); err != nil {
		t.Fatal(err)
	}

	time.Sleep(5 * time.Millisecond)
	limit("1")
	if _, err := l.Append(ctx, &m, ""); !errors.Is(err, store.ErrFull) {
		t.Errorf("Append: %v, want ErrFull", err)
	}
	if _, _, err := s.Open(ctx, "new", store.Asked{}, true, roomy); !errors.Is(err, store.ErrBudget) {
		t.Errorf("Open: %v, want ErrBudget", err)
	}
	if err := l.Ack(ctx, a.Link, p); err != nil {
		t.Errorf("Ack, which frees memory: %v", err)
	}
	due, err := s.Expired(ctx, 10)
	if ended := due.Ended; err != nil || len(ended) != 1 || ended[0].ID != "goes" || len(ended[0].Messages) != 1 {
		t.Errorf("Expired = %v, %v; want what was in goes", ended, err)
	}

	limit("0")
	if p, err := l.Append(ctx, &m, ""); err != nil || p.Seq != 2 {
		t.Errorf("Append = %v, %v; want seq 2", p, err)
	}
}

// A primary that has lost its replicas takes nothing that would be lost with it
// (min-replicas-to-write).
func TestNoReplicas(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 300 * time.Millisecond})
	l := open(t, s, "a")
	a, err := l.Attach(ctx, store.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, "1")
	server.do("CONFIG", "SET", "min-replicas-to-write", "1")
	m := store.Text("2")
	if _, err := l.Append(ctx, &m, ""); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("Append: %v, want ErrUncertain", err)
	}
	server.do("CONFIG", "SET", "min-replicas-to-write", "0")
	put(t, l, "3")
	got, _, err := l.Read(ctx, a.Link, 0, 1<<20, nil)
	var texts strings.Builder
	for _, e := range got {
		texts.WriteString(string(e.Message.Data))
	}
	// The second one is uncertain: it was asked for again as long as nobody knew.
	if err != nil || texts.String() != "13" && texts.String() != "123" && texts.String() != "132" {
		t.Errorf("Read = %q, %v; want what was taken", texts.String(), err)
	}
}
