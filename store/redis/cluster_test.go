package redis_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/store/storetest"
)

// A Cluster of three primaries and a replica: the suite, and what only a Cluster does.
func TestCluster(t *testing.T) {
	t.Parallel()
	t.Cleanup(func() { // for some seconds rueidis keeps a look that it put off, and a connection that it replaced
		until(t, "rueidis has let go", func() bool {
			stacks := make([]byte, 4<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			return !bytes.Contains(stacks, []byte("redirectOrNew")) && !bytes.Contains(stacks, []byte("DelayDo"))
		})
	})

	c := startCluster(t)
	t.Run("sessions are spread", func(t *testing.T) { spread(t, c) })
	t.Run("a wake-up reaches the other node from every primary", func(t *testing.T) { wakes(t, c) })
	t.Run("slots migrate under traffic", func(t *testing.T) { migration(t, c) })

	t.Run("memberships while slots migrate", func(t *testing.T) { memberships(t, c) })
	t.Run("two nodes, and the session's slot goes from primary to primary", func(t *testing.T) {
		twoNodes(t, c.client, func(i int) {
			if i%150 != 75 {
				return
			}
			for n, s := range c.servers {
				for _, slot := range c.slots(s, "two") {
					c.migrate(slot, s, c.servers[(n+1)%len(c.servers)], func() {})
					return
				}
			}
		})
	})

	t.Run("suite", func(t *testing.T) {
		client := c.client()
		storetest.Run(t, func(tb testing.TB) store.Store {
			if strings.Contains(tb.Name(), "a_thousand_goroutines") {
				tb.Skip("the single server runs it")
			}
			return newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
		})
	})

	t.Run("a primary is lost", func(t *testing.T) { primaryLost(t, c) })
}

func spread(t *testing.T, c *cluster) {
	s := newStore(t, c.client(), redis.Options{Prefix: "spread"})
	for i := range 300 {
		open(t, s, fmt.Sprint("s", i))
	}
	n := 0
	for range s.Logs(ctx) {
		n++
	}
	if n != 300 {
		t.Errorf("%d sessions are listed, want 300", n)
	}
	for _, server := range c.servers {
		slots := c.slots(server, "spread")
		t.Logf("%s has %d slots with sessions", server.addr, len(slots))
		if len(slots) < 20 || len(slots) > 23 { // of 64
			t.Errorf("%s has %d slots with sessions; want a third of 64", server.addr, len(slots))
		}
	}
}

func wakes(t *testing.T, c *cluster) {
	a := newStore(t, c.client(), redis.Options{Prefix: "wakes"})
	b := newStore(t, c.client(), redis.Options{Prefix: "wakes", SafetyRead: time.Hour})
	for _, id := range idsOfShards(20) {
		woken := make(chan struct{}, 1)
		stop := open(t, b, id).Watch(func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		defer stop()
		if _, err := open(t, b, id).Attach(ctx, store.Claim{Reader: "r"}); err != nil {
			t.Fatal(err)
		}
		near := open(t, a, id)
		for i := range 3 { // the first is the subscription
			if i > 0 {
				put(t, near, "m")
			}
			select {
			case <-woken:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s: the other node was not woken", id)
			}
		}
	}
}

// traffic appends numbers to sessions from one node, through whatever happens, while
// another node reads and acknowledges them.
type traffic struct {
	t    *testing.T
	far  *redis.Store
	ids  []string
	stop chan struct{}
	wg   sync.WaitGroup

	mu        sync.Mutex
	sent      map[string][]string // what the store has acknowledged
	uncertain atomic.Int64
}

func startTraffic(t *testing.T, near, far *redis.Store, ids []string) *traffic {
	tr := &traffic{t: t, far: far, ids: ids, stop: make(chan struct{}), sent: map[string][]string{}}
	bounds := roomy
	bounds.MaxMessages, bounds.MaxBytes = 1<<20, 1<<30 // nobody acknowledges
	for _, id := range ids {
		l, _, err := near.Open(ctx, id, store.Asked{}, true, bounds)
		if err != nil {
			t.Fatal(err)
		}
		tr.wg.Go(func() { tr.send(id, l) })
	}
	return tr
}

func (tr *traffic) send(id string, l store.Log) {
	for i := 0; ; i++ {
		select {
		case <-tr.stop:
			return
		default:
		}
		m := store.Text(fmt.Sprint(i))
		for {
			_, err := l.Append(ctx, &m, "")
			if err == nil {
				break
			}
			tr.uncertain.Add(1)
			if !errors.Is(err, store.ErrUncertain) {
				tr.t.Errorf("Append to %s: %v", id, err)
				return
			}
		}
		tr.mu.Lock()
		tr.sent[id] = append(tr.sent[id], fmt.Sprint(i))
		tr.mu.Unlock()
		time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
	}
}

// more waits until every session has taken so many more.
func (tr *traffic) more(n int) {
	count := func() map[string]int {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		now := map[string]int{}
		for id, all := range tr.sent {
			now[id] = len(all)
		}
		return now
	}
	before := count()
	until(tr.t, "traffic goes on", func() bool {
		now := count()
		return !slices.ContainsFunc(tr.ids, func(id string) bool { return now[id] < before[id]+n })
	})
}

func (tr *traffic) end() {
	close(tr.stop)
	tr.wg.Wait()
}

func migration(t *testing.T, c *cluster) {
	const prefix = "migrates"
	near := newStore(t, c.client(), redis.Options{Prefix: prefix, Timeout: 10 * time.Second})
	far := newStore(t, c.client(), redis.Options{Prefix: prefix, Timeout: 10 * time.Second, SafetyRead: time.Hour})
	tr := startTraffic(t, near, far, idsOfShards(64)[:12])
	var woken [12]atomic.Int64
	for i, id := range tr.ids {
		l := open(t, far, id)
		defer l.Watch(func() { woken[i].Add(1) })()
		if _, err := l.Attach(ctx, store.Claim{Reader: "r"}); err != nil {
			t.Fatal(err)
		}
	}

	tr.more(5)
	slots := c.slots(c.servers[0], prefix)
	if len(slots) < 2 {
		t.Fatalf("the first primary has %d slots with sessions", len(slots))
	}
	for _, slot := range slots {
		// The traffic meets it half done.
		c.migrate(slot, c.servers[0], c.servers[1], func() { time.Sleep(100 * time.Millisecond) })
	}

	tr.more(5)
	var before [12]int64
	for i := range woken {
		before[i] = woken[i].Load()
	}
	until(t, "the other node is woken from where the slots are now", func() bool {
		for i := range woken {
			if woken[i].Load() < before[i]+3 {
				return false
			}
		}
		return true
	})

	tr.end()
	t.Logf("%d slots migrated; %d appends were uncertain in between", len(slots), tr.uncertain.Load())
	for _, id := range tr.ids {
		if got := texts(t, far, id); !slices.Equal(got, tr.sent[id]) {
			t.Errorf("%s: %d messages, want %d in order, once each", id, len(got), len(tr.sent[id]))
		}
	}
}

// memberships joins, acknowledges and leaves topics while the slots of the sessions
// migrate. Each step counts once.
func memberships(t *testing.T, c *cluster) {
	s := newStore(t, c.client(), redis.Options{Prefix: "members", Timeout: 10 * time.Second})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var rounds [12]atomic.Int64
	for i, id := range idsOfShards(12) {
		l := open(t, s, id)
		link := attach(t, l, "r")
		wg.Go(func() {
			for n := uint64(1); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				err := errors.Join(
					joins(l, "a", link, n),
					l.AckTopics(ctx, link, []store.TopicPosition{position("a", n+1)}),
					leaves(l, "a", link, fmt.Sprint(n)),
				)
				of, err2 := l.Topics(ctx, link)
				if err != nil || err2 != nil || len(of.Joined) != 0 || len(of.Notices) != 1 ||
					of.Notices[0].Reason != fmt.Sprint(n) {
					t.Errorf("%s, round %d: %+v, %v, %v", id, n, of, err, err2)
					return
				}
				rounds[i].Add(1)
			}
		})
	}

	more := func() {
		var before [12]int64
		for i := range rounds {
			before[i] = rounds[i].Load()
		}
		until(t, "the steps go on", func() bool {
			for i := range rounds {
				if rounds[i].Load() < before[i]+3 && !t.Failed() {
					return false
				}
			}
			return true
		})
	}
	more()
	for _, slot := range c.slots(c.servers[0], "members") {
		c.migrate(slot, c.servers[0], c.servers[1], func() { time.Sleep(50 * time.Millisecond) })
	}
	more()
	close(stop)
	wg.Wait()
}

// primaryLost kills a primary. Its replica takes over. Clients that have entries that the
// replica did not get are told: diverged or ahead. Other sessions notice nothing.
func primaryLost(t *testing.T, c *cluster) {
	const prefix = "lost"
	near := newStore(t, c.client(), redis.Options{Prefix: prefix, Timeout: 2 * time.Second})
	far := newStore(t, c.client(), redis.Options{Prefix: prefix, Timeout: 2 * time.Second, SafetyRead: time.Hour})
	tr := startTraffic(t, near, far, idsOfShards(12))
	var woken [12]atomic.Int64
	for i, id := range tr.ids {
		l := open(t, far, id)
		defer l.Watch(func() { woken[i].Add(1) })()
		if _, err := l.Attach(ctx, store.Claim{Reader: "r"}); err != nil {
			t.Fatal(err)
		}
	}

	tr.more(5)
	c.servers[0].kill()
	tr.more(20)
	var before [12]int64
	for i := range woken {
		before[i] = woken[i].Load()
	}
	until(t, "the other node is woken by the replica that took over", func() bool {
		for i := range woken {
			if woken[i].Load() < before[i]+3 {
				return false
			}
		}
		return true
	})

	tr.end()
	t.Logf("%d appends were uncertain", tr.uncertain.Load())
	for _, id := range tr.ids {
		got := texts(t, far, id)
		if missing := len(tr.sent[id]) - len(got); missing != 0 {
			t.Logf("%s: %d acknowledged messages were lost with the primary", id, missing)
			if missing < 0 || missing > 50 {
				t.Errorf("%s: %d messages of %d", id, len(got), len(tr.sent[id]))
			}
		}
		if !slices.IsSortedFunc(got, func(a, b string) int {
			var x, y int
			fmt.Sscan(a, &x)
			fmt.Sscan(b, &y)
			return x - y
		}) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("%s: out of order or doubled", id)
		}
	}
}
