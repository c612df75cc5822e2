package proxies_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
)

// L3: behind nginx with the configurations of docs/operations.md everything arrives at
// once, continues after a cut, and ends when the client leaves.
func TestL3Nginx(t *testing.T) {
	binary(t, "nginx")
	for i, name := range []string{"smallest", "better", "compressing"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 0)
			n := startNginx(t, configurations(t)[i], s.addr)
			c := s.behind(t, n.url, "sse", "ann")
			if packed := c.header.Get("Content-Encoding") == "gzip"; packed != (name == "compressing") {
				t.Errorf("compressed: %v", packed)
			}
			if name == "better" {
				s.behind(t, n.url, "websocket", "eve")
			}
			s.polls(n.url)
			log, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
			if name == "better" &&
				(err != nil || !strings.Contains(string(log), "/live") || strings.Contains(string(log), "_cid")) {
				t.Errorf("the access log: %q, %v", log, err)
			}
		})
	}
}

// behind makes a client send and receive through the proxy at url.
func (s *site) behind(t *testing.T, url, way, id string) *client {
	c := s.client(url, id)
	start := time.Now()
	cut, over := c.connect(way)
	hello := time.Since(start)
	if hello > time.Second {
		t.Errorf("hello came after %v", hello)
	}
	half, most := c.latency(200)
	t.Logf("%s: hello after %v, half of the events within %v, 99 %% within %v", way, hello, half, most)
	if half > 50*time.Millisecond { // a proxy that buffers delays each event
		t.Errorf("half of the events within %v", half)
	}

	// The server sees that the client has left, and the client continues at its position.
	open := s.open.Load()
	cut()
	<-over
	s.eventually("the server sees that the client has left", func() bool { return s.open.Load() < open })
	s.sent(s.m.Send(t.Context(), id, store.Text("while away")))
	c.connect(way)
	c.has(201)
	if !c.hello.Resumed || c.got[200] != "while away" {
		t.Errorf("%+v, got %q", c.hello, c.got[200:])
	}

	// A message up, and its echo.
	c.say("one of " + id)
	c.has(202)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.said, "one of "+id) || c.got[201] != "one of "+id {
		t.Errorf("said %q, got %q", s.said, c.got[201:])
	}
	return c
}

// I9: if nginx changes Host, the page is foreign to the server. The refusal says what to
// do, and OwnOrigins solves it.
func TestI9NginxHost(t *testing.T) {
	binary(t, "nginx")
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

// latency sends n messages, and returns the time within which half and 99 % of them
// arrived.
func (c *client) latency(n int) (half, most time.Duration) {
	c.Helper()
	var sent []time.Time
	for i := range n {
		sent = append(sent, time.Now())
		c.sent(c.m.Send(c.Context(), c.id, store.Text(fmt.Sprint("m", i))))
		time.Sleep(3 * time.Millisecond) // one at a time, to measure latency
	}
	c.has(n)
	c.mu.Lock()
	defer c.mu.Unlock()
	var took []time.Duration
	for i := range n {
		took = append(took, c.at[i].Sub(sent[i]))
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}

// polls checks that a poll waits, and is answered at once when there is a message.
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
		time.Sleep(50 * time.Millisecond) // the poll may have arrived or not: both must work
		sent := time.Now()
		s.sent(s.m.Send(s.Context(), "bob", store.Text(fmt.Sprint("m", i))))
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

// L3: heartbeats keep a link open where nginx ends a silent one. Without them it ends.
func TestL3NginxIdle(t *testing.T) {
	binary(t, "nginx")
	idle(t, func(s *site) string {
		return startNginx(s.T, configurations(s.T)[1], s.addr, "proxy_read_timeout 2s;").url
	})
}

// idle leaves links silent behind a proxy that ends connections after two silent seconds.
func idle(t *testing.T, start func(*site) (url string)) {
	for name, tt := range map[string]struct {
		way       string
		heartbeat time.Duration
		survives  bool
	}{
		"with heartbeats":               {"sse", 500 * time.Millisecond, true},
		"without heartbeats":            {"sse", -1, false},
		"WebSocket, with heartbeats":    {"websocket", 500 * time.Millisecond, true},
		"WebSocket, without heartbeats": {"websocket", -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tt.heartbeat)
			c := s.client(start(s), "ann")
			_, over := c.connect(tt.way)
			survived := true

			select {
			case <-over:
				survived = false
			case <-time.After(5 * time.Second): // two and a half times the proxy's timeout
			}

			c.mu.Lock()
			defer c.mu.Unlock()
			if survived != tt.survives || tt.survives && c.beats < 5 {
				t.Errorf("survived: %v, %d heartbeats", survived, c.beats)
			}
		})
	}
}

// L3, W6: while the server is down, nginx tells a plain EventSource when to come back, in
// the only way that does not end it for good, and sends 503 to all others. The server's
// own responses stay unchanged.
func TestL3NginxAway(t *testing.T) {
	binary(t, "nginx")
	s := newSite(t, 0)
	node := freeAddr(t)
	n := startNginx(t, configurations(t)[1], node)

	get := func(query, accept string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", n.url+query, nil)
		s.must(err)
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		s.must(err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		s.must(err)
		return resp, string(text)
	}

	for range 5 {
		resp, text := get("/live", "text/event-stream")
		if resp.StatusCode != 200 ||
			resp.Header.Get("Content-Type") != "text/event-stream" ||
			resp.Header.Get("Cache-Control") != "no-store" ||
			!regexp.MustCompile("^retry: [2-5]000\n\n$").MatchString(text) {
			t.Errorf("a plain EventSource: %s %v %q", resp.Status, resp.Header, text)
		}
	}

	for name, request := range map[string][2]string{
		"our client": {"/live?_cid=0123456789012345678901", "text/event-stream"},
		"a page":     {"/", "text/html,*/*"},
		"curl":       {"/live", "*/*"},
	} {
		if resp, text := get(request[0], request[1]); resp.StatusCode != 503 {
			t.Errorf("%s: %s %q", name, resp.Status, text)
		}
	}

	s.node(node)
	resp, text := get("/live?_wait=1", "text/event-stream")
	if resp.StatusCode != 200 || !strings.Contains(text, "event: mirage\n") {
		t.Errorf("with the server back: %s %q", resp.Status, text)
	}
	resp, text = get("/live?_wait=1&_cid=0123456789012345678901&_mirage=~x", "*/*")
	if resp.StatusCode != 200 {
		t.Errorf("our client: %s %q", resp.Status, text)
	}

	if err := s.m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	resp, text = get("/live?_cid=0123456789012345678901", "text/event-stream")
	if resp.StatusCode != 503 || !strings.Contains(text, "going away") {
		t.Errorf("the server's own answer: %s %q", resp.Status, text)
	}
}
