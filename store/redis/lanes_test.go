package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// However a session leaves Redis, its head leaves with it.
func TestR1NoHeadIsLeft(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{})
	brief := roomy
	brief.Retention = time.Millisecond
	fill := func(id string, b store.Bounds) (store.Log, store.Attached) {
		t.Helper()
		l, _, err := s.Open(ctx, id, store.Asked{}, true, b)
		if err != nil {
			t.Fatal(err)
		}
		put(t, l, "x")
		a, err := l.Attach(ctx, store.Claim{Reader: "r"})
		if err != nil {
			t.Fatal(err)
		}
		return l, a
	}
	end := func(id string, refuse time.Duration) {
		t.Helper()
		if _, err := s.End(ctx, id, refuse); err != nil {
			t.Errorf("End(%q): %v", id, err)
		}
	}
	move := func(from, to string) {
		t.Helper()
		if _, err := s.Move(ctx, from, to, store.Moving{Settle: store.Settle}); err != nil {
			t.Errorf("Move(%q, %q): %v", from, to, err)
		}
	}

	fill("ended", roomy)
	end("ended", 0)
	fill("revoked", roomy)
	end("revoked", time.Hour)
	l, a := fill("left", roomy)
	if _, over, err := l.Quit(ctx, a.Link); err != nil || over == nil {
		t.Errorf("Quit = %v, %v", over, err)
	}
	fill("moved", roomy)
	move("moved", "to another shard")
	end("to another shard", 0)
	fill("joined", roomy)
	fill("by another", roomy)
	move("joined", "by another")
	end("by another", 0)
	l, a = fill("expired", brief)
	if _, err := l.Detach(ctx, a.Link); err != nil {
		t.Error(err)
	}
	l, _ = fill("state lost", roomy)
	server.do("DEL", s.Key("s", l.Handle().Epoch))
	if _, _, err := s.Open(ctx, "state lost", store.Asked{}, false, roomy); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Open of a session that Redis has lost: %v", err)
	}

	until(t, "the session expires", func() bool {
		due, err := s.Expired(ctx, 100)
		return err == nil && len(due.Ended) == 1
	})
	if heads := server.do("KEYS", "*:h"); heads != "" {
		t.Errorf("heads are left: %s", strings.Join(strings.Fields(heads), ", "))
	}
}

// A batch takes effect once, whichever of its questions arrives first, and one that
// arrives after the next batch of its lane does nothing.
func TestR3BatchesTakeEffectOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	var want []string
	for i := range 6 {
		m := store.Text(fmt.Sprint(i))
		if err := redis.AppendTwice(s, l, &m, i%2 == 1); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprint(i))
		if err := redis.AppendLate(s, l, i%2 == 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := texts(t, s, "a"); !slices.Equal(got, want) {
		t.Errorf("the log holds %q; want %q", got, want)
	}
}

// Batches whose answers do not come hold up nobody else for longer than their youth, and
// take effect when they arrive.
func TestR3OthersGoPastALostAnswer(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	stuck, free := open(t, s, "stuck"), open(t, s, "free")
	put(t, free, "0") // Redis knows the script

	release := make(chan struct{})
	var mu sync.Mutex
	held := 0
	s.Cut(func() bool {
		mu.Lock()
		hold := held < 2
		if hold {
			held++
		}
		mu.Unlock()
		if hold {
			<-release
		}
		return false
	})

	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { put(t, stuck, fmt.Sprint(i)) })
		until(t, "it is sent", func() bool { mu.Lock(); defer mu.Unlock(); return held == i+1 })
	}
	began := time.Now()
	put(t, free, "1")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an append waited %v for somebody else's answer", took)
	}
	close(release)
	all.Wait()

	if got := texts(t, s, "free"); !slices.Equal(got, numbers(2)) {
		t.Errorf("the log holds %q", got)
	}
	got := texts(t, s, "stuck")
	slices.Sort(got)
	if !slices.Equal(got, numbers(2)) {
		t.Errorf("the log holds %q", got)
	}
}

// If Redis runs out of memory, nothing of a batch is done.
func TestR3FullRedisRefusesWholeBatches(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{})
	const logs = 8
	all := make([]store.Log, logs)
	for i := range all {
		all[i] = open(t, s, fmt.Sprint(i))
		put(t, all[i], "before")
	}

	server.do("CONFIG", "SET", "maxmemory", "1")
	var wg sync.WaitGroup
	for _, l := range all {
		for range 16 {
			wg.Go(func() {
				m := store.Text("during")
				if _, err := l.Append(ctx, &m, ""); !errors.Is(err, store.ErrFull) {
					t.Errorf("Append: %v, want ErrFull", err)
				}
			})
		}
	}
	wg.Wait()
	server.do("CONFIG", "SET", "maxmemory", "0")

	for i, l := range all {
		put(t, l, "after")
		if got := texts(t, s, fmt.Sprint(i)); !slices.Equal(got, []string{"before", "after"}) {
			t.Errorf("log %d holds %q", i, got)
		}
	}
}

// Many goroutines append to few logs through batches that are lost and repeated: each
// message is there once, and each caller's are in its order.
func TestR3BatchesKeepTheCallersOrder(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, slowly(t, startServer(t)).Addr()), redis.Options{})
	const callers, each = 32, 20
	var wg sync.WaitGroup
	for i := range callers {
		l := open(t, s, fmt.Sprint("s", i%3))
		wg.Go(func() {
			for n := range each {
				put(t, l, fmt.Sprintf("%d:%02d", i, n))
			}
		})
	}
	wg.Wait()

	n := 0
	for i := range 3 {
		last := map[string]string{}
		for _, text := range texts(t, s, fmt.Sprint("s", i)) {
			caller, _, _ := strings.Cut(text, ":")
			if text <= last[caller] {
				t.Errorf("%q came after %q", text, last[caller])
			}
			last[caller] = text
			n++
		}
	}
	if n != callers*each {
		t.Errorf("%d messages are there, want %d", n, callers*each)
	}
}
