package proxies_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
)

// L3: behind nginx with the configurations of docs/operations.md everything comes at once, goes on after a cut and ends when the client does.
func TestL3Nginx(t *testing.T) {
	binary(t)
	for i, name := range []string{"smallest", "better", "compressing"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 0)
			n := startNginx(t, configurations(t)[i], s.addr)
			c := s.client(n.url, "ann")

			start := time.Now()
			cut, over := c.open()
			hello := time.Since(start)
			if hello > time.Second {
				t.Errorf("hello came after %v", hello)
			}
			if packed := c.header.Get("Content-Encoding") == "gzip"; packed != (name == "compressing") {
				t.Errorf("compressed: %v", packed)
			}
			p99 := c.latency(200)
			t.Logf("hello after %v, events after %v (99 %%)", hello, p99)
			if p99 > 100*time.Millisecond {
				t.Errorf("99 %% of the events within %v", p99)
			}

			// The server sees that the client has left, and the client goes on where it was.
			open := s.open.Load()
			cut()
			<-over
			s.eventually("the server sees that the client has left", func() bool { return s.open.Load() < open })
			s.must(s.m.Send(t.Context(), "ann", session.Text("while away")))
			c.open()
			c.has(201)
			if !c.hello.Resumed || c.got[200] != "while away" {
				t.Errorf("%+v, got %q", c.hello, c.got[200:])
			}

			// Upwards, and back.
			c.say("one")
			c.has(202)
			if !slices.Equal(s.said, []string{"one"}) || c.got[201] != "one" {
				t.Errorf("said %q, got %q", s.said, c.got[201:])
			}
			s.polls(n.url)
			if log, err := os.ReadFile(filepath.Join(n.dir, "access.log")); name == "better" && (err != nil || !strings.Contains(string(log), "/live") || strings.Contains(string(log), "_cid")) {
				t.Errorf("the access log: %q, %v", log, err)
			}
		})
	}
}

// I9: where nginx changes Host, the page is foreign to the server, which says what to do; OwnOrigins does it.
func TestI9NginxHost(t *testing.T) {
	binary(t)
	s := newSite(t, 0)
	n := startNginx(t, strings.Replace(configurations(t)[0], "proxy_set_header Host $http_host;", "", 1), s.addr)
	c := s.client(n.url, "ann")
	r, err := c.do(t.Context(), "POST", "", "x")
	s.must(err)
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	if r.StatusCode != 403 || !strings.Contains(string(text), "origin") {
		t.Errorf("%s: %s", r.Status, text)
	}
	s.own.Store(n.url)
	c.open()
	c.say("one")
}

// latency sends n messages and tells how long 99 % of them took at most.
func (c *client) latency(n int) time.Duration {
	c.Helper()
	var sent []time.Time
	for i := range n {
		sent = append(sent, time.Now())
		c.must(c.m.Send(c.Context(), "ann", session.Text(fmt.Sprint("m", i))))
		time.Sleep(3 * time.Millisecond) // one by one: this is about waiting
	}
	c.has(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	for i := range n {
		took = append(took, c.at[i].Sub(sent[i]))
	}
	slices.Sort(took)
	return took[n*99/100]
}

// polls checks that a poll waits, and is answered at once when there is something.
func (s *site) polls(proxy string) {
	s.Helper()
	c := s.client(proxy, "bob")
	c.poll("25")
	for i := range 3 {
		done := make(chan time.Time, 1)
		go func() {
			c.poll("25")
			done <- time.Now()
		}()
		time.Sleep(50 * time.Millisecond) // the poll may be there or not: both must do
		sent := time.Now()
		s.must(s.m.Send(s.Context(), "bob", session.Text(fmt.Sprint("m", i))))
		select {
		case at := <-done:
			if d := at.Sub(sent); d > time.Second {
				s.Errorf("the poll was answered after %v", d)
			}
		case <-time.After(patience):
			s.Fatal("the poll is not answered")
		}
		if c.got[i] != fmt.Sprint("m", i) {
			s.Errorf("got %q", c.got)
		}
	}
	if c.hellos != 1 {
		s.Errorf("%d hellos on one link", c.hellos)
	}
	c.say("from a poll")
}

// L3: heartbeats keep a stream open where nginx ends a silent one; without them it does end.
func TestL3NginxIdle(t *testing.T) {
	binary(t)
	for name, tt := range map[string]struct {
		heartbeat time.Duration
		survives  bool
	}{
		"with heartbeats":    {500 * time.Millisecond, true},
		"without heartbeats": {-1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tt.heartbeat)
			n := startNginx(t, configurations(t)[0], s.addr, "proxy_read_timeout 2s;")
			c := s.client(n.url, "ann")
			_, over := c.open()
			survived := true
			select {
			case <-over:
				survived = false
			case <-time.After(5 * time.Second): // twice and a half the proxy's patience
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if survived != tt.survives || tt.survives && c.beats < 5 {
				t.Errorf("survived: %v, %d heartbeats", survived, c.beats)
			}
		})
	}
}
