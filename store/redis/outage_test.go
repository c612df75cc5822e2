package redis_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// diary is a Logger's end.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(p)
}

func (d *diary) count(text string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), text)
}

func (d *diary) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(d, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (d *diary) has(t *testing.T, text string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); d.count(text) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			d.mu.Lock()
			defer d.mu.Unlock()
			t.Fatalf("no word of %q in\n%s", text, d.text.String())
		}
	}
}

// An outage of Redis is logged once, even if nobody sends anything, and so is its end.
func TestOutageIsTold(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--appendonly", "yes")
	var said diary
	s := newStore(t, dial(t, server.addr), redis.Options{
		Timeout: 300 * time.Millisecond, SafetyRead: 50 * time.Millisecond, Logger: said.logger(),
	})
	l := open(t, s, "a")
	defer l.Watch(func() {})()
	server.kill()
	said.has(t, "does not answer")
	m := store.Text("nowhere")
	for range 3 {
		if _, err := l.Append(ctx, &m, ""); err == nil {
			t.Error("Append: no error without a Redis")
		}
	}
	server.start()
	said.has(t, "works again")
	if n := said.count("level=ERROR"); n != 1 {
		t.Errorf("%d lines of one outage", n)
	}
}

// Redis's refusals are logged with advice.
func TestRefusalsAreTold(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set, unset []string
		want       string
	}{
		"full": {
			[]string{"CONFIG", "SET", "maxmemory", "1"},
			[]string{"CONFIG", "SET", "maxmemory", "0"},
			"more maxmemory",
		},
		"replica": {
			[]string{"REPLICAOF", "127.0.0.1", "1"},
			[]string{"REPLICAOF", "NO", "ONE"},
			"lead to the primary",
		},
		"no replicas": {
			[]string{"CONFIG", "SET", "min-replicas-to-write", "1"},
			[]string{"CONFIG", "SET", "min-replicas-to-write", "0"},
			"bring them back",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			var said diary
			s := newStore(t, dial(t, server.addr),
				redis.Options{Timeout: 200 * time.Millisecond, Logger: said.logger()})
			l := open(t, s, "a")

			server.do(test.set...)
			m := store.Text("no")
			if _, err := l.Append(ctx, &m, ""); err == nil {
				t.Error("Append: no error")
			}
			said.has(t, test.want)

			server.do(test.unset...)
			until := time.Now().Add(10 * time.Second)
			for ; said.count("works again") == 0; time.Sleep(5 * time.Millisecond) {
				if _, err := l.Append(ctx, &m, ""); time.Now().After(until) {
					t.Fatalf("Append: %v; or nothing is told", err)
				}
			}
		})
	}
}

// A Redis user without channels costs time but no message: messages of other nodes are
// found at the next check, and the log says why they are late.
func TestNoChannels(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.do("ACL", "SETUSER", "default", "resetchannels")
	var said diary
	s := newStore(t, dial(t, server.addr), redis.Options{SafetyRead: 50 * time.Millisecond, Logger: said.logger()})
	l := open(t, s, "a")
	woken := make(chan struct{}, 1)
	defer l.Watch(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})()
	said.has(t, "forbids the client's user keys, channels or commands")
	put(t, open(t, newStore(t, dial(t, server.addr), redis.Options{Prefix: s.Prefix()}), "a"), "from another node")
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Error("nobody is woken")
	}
	if got := texts(t, s, "a"); len(got) != 1 {
		t.Errorf("the log holds %q", got)
	}
}
