package redis_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/transport"
)

// Redis's clock is set forward by more than the lease and the retention: who is there
// stays, and gets what comes; a link that nobody reads ends all the same.
func TestD6ClockSetForward(t *testing.T) {
	t.Parallel()
	for name, real := range map[string]bool{"miniredis": false, "redis-server": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var addr string
			var mini *miniredis.Miniredis
			if real {
				addr = startServer(t).addr
			} else {
				mini = miniredis.RunT(t)
				addr = mini.Addr()
			}

			var ended atomic.Int64
			so := redis.Options{Timeout: 20 * time.Second, SafetyRead: 100 * time.Millisecond}
			mo := session.Options{OnEnd: func(context.Context, store.Ended) { ended.Add(1) }}
			a, b := newNode(t, addr, "forward", so, mo), newNode(t, addr, "forward", so, mo)

			dead := open(t, b.store, "dead")
			if _, err := dead.Attach(ctx, store.Claim{Reader: "r"}); err != nil {
				t.Fatal(err)
			}

			var links []*session.Link
			for _, reader := range []string{"r", ""} {
				l, err := a.Attach(ctx, session.Attach{ID: "a", Reader: reader})
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				links = append(links, l)
			}

			for round := range 3 {
				if real { // its clock cannot be set; to move all that it remembers back is the same
					redis.Age(b.store, 5*time.Minute)
				} else {
					mini.SetTime(time.Now().Add(time.Duration(round+1) * 5 * time.Minute))
				}
				if due, err := redis.ClaimAll(b.store); err != nil || len(due.Ended) > 0 {
					t.Fatalf("round %d: ended %+v, %v", round, due.Ended, err)
				}

				text := fmt.Sprint("after leap ", round)
				if _, err := b.Send(ctx, "a", store.Text(text)); err != nil {
					t.Fatal(err)
				}
				for _, l := range links {
					got := nextOf(t, l)
					if len(got.Entries) != 1 || string(got.Entries[0].Message.Data) != text || got.End != "" {
						t.Fatalf("round %d: plain %v: %+v", round, l.Plain, got)
					}
					if !l.Plain {
						if err := l.Ack(ctx, store.Position{Epoch: got.Epoch, Seq: got.Entries[0].Seq}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}

			if ended.Load() > 0 {
				t.Error("a session has ended")
			}
			if got := redis.Readers(b.store, dead); real && got != "r:0" {
				t.Errorf("the reader that nobody serves, and its links: %s", got)
			}
		})
	}
}

// nextOf waits for what a link has to say beside heartbeats.
func nextOf(t *testing.T, l *session.Link) (b session.Batch) {
	t.Helper()
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for len(b.Entries) == 0 && b.End == "" {
		if err := l.Next(limit, &b); limit.Err() != nil {
			t.Fatalf("nothing came: %v", err)
		}
	}
	return b
}

// Redis is paused for longer than lease and retention while plain clients are on: links
// stay, and go on.
func TestD6LongPause(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var ended atomic.Int64
	mo := session.Options{
		Heartbeat: 300 * time.Millisecond, Retention: time.Second,
		OnEnd: func(context.Context, store.Ended) { ended.Add(1) },
	}

	patient, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.addr}, DisableCache: true, ConnWriteTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(patient.Close)
	codec, err := cookie.New(cookie.Options{}, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}

	const visitors, lease = 20, 4 * time.Second
	var nodes []node
	var all sync.WaitGroup
	var heard [visitors]atomic.Int64
	gone := make(chan string, visitors)
	hello := make(chan bool, visitors)
	proxy := miragetest.NewProxy(t, server.addr)
	stop, cancel := context.WithCancel(ctx)

	for range 2 {
		c, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{proxy.Addr()}, DisableCache: true, ConnWriteTimeout: 500 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		o := redis.Options{Lease: lease, Timeout: time.Second, SafetyRead: 200 * time.Millisecond}
		n := newNodeOn(t, c, "paused", o, mo)
		nodes = append(nodes, n)
	}
	t.Cleanup(func() { cancel(); all.Wait() })

	for i := range visitors {
		n := nodes[i%2]
		mw := middleware.New(middleware.Options{Codec: codec, Sessions: n.Manager}).Guard
		web := httptest.NewServer(mw(transport.Handler(n.Manager, transport.Options{})))
		t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
		value, err := codec.Sign(cookie.ID, fmt.Sprint("v", i))
		if err != nil {
			t.Fatal(err)
		}

		all.Go(func() {
			r, _ := http.NewRequestWithContext(stop, "GET", web.URL, nil)
			r.Header.Set("Accept", "text/event-stream")
			r.Header.Set("Cookie", "__Host-mirage="+value)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				gone <- err.Error()
				return
			}
			defer res.Body.Close()
			last := res.Status
			lines := bufio.NewScanner(res.Body)
			for lines.Scan() {
				if line := lines.Text(); len(line) > 1 {
					last = line
				}
				if strings.Contains(lines.Text(), `"heartbeat"`) {
					hello <- true
				}
				if strings.Contains(lines.Text(), "after the pause") {
					heard[i].Add(1)
				}
			}
			gone <- last
		})
	}

	for range visitors {
		select {
		case <-hello:
		case end := <-gone:
			t.Fatalf("no hello: %s", end)
		case <-time.After(20 * time.Second):
			t.Fatal("no hello")
		}
	}

	first := newStore(t, patient, redis.Options{Prefix: "paused", Lease: lease, Timeout: 20 * time.Second})
	if _, err := redis.ClaimAll(first); err != nil { // it has its connection
		t.Fatal(err)
	}

	proxy.Refuse() // nothing of the nodes waits for Redis to go on
	proxy.Cut(miragetest.RST)
	server.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(lease + 1500*time.Millisecond) // the pause itself
	server.cmd.Process.Signal(syscall.SIGCONT)

	// The sweep for expired sessions is the first to get through.
	if due, err := redis.ClaimAll(first); err != nil || len(due.Ended) > 0 {
		t.Errorf("%d sessions have ended: %v", len(due.Ended), err)
	}

	proxy.Heal()
	for i := range visitors {
		until(t, "Redis is back", func() bool {
			_, err := nodes[0].Send(ctx, fmt.Sprint("v", i), store.Text("after the pause"))
			return err == nil
		})
	}
	for i := range visitors {
		until(t, "everybody hears it", func() bool { return heard[i].Load() > 0 || len(gone) > 0 })
	}

	for range len(gone) {
		t.Errorf("a link has ended: %q", <-gone)
	}
	if n := ended.Load(); n > 0 {
		t.Errorf("%d sessions have ended", n)
	}
}
