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

	"github.com/mirage-go/mirage/client"
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
			v := s.behind(t, n.url, client.SSE, "ann")
			if packed := v.network.packed.Load(); packed != (name == "compressing") {
				t.Errorf("compressed: %v", packed)
			}
			if name == "better" {
				s.behind(t, n.url, client.WebSocket, "eve")
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

// behind makes a visitor send and receive through the proxy at url.
func (s *site) behind(t *testing.T, url, transport, id string) *visitor {
	start := time.Now()
	v := s.visitor(url, id, transport)
	hello := time.Since(start)
	if hello > time.Second {
		t.Errorf("hello came after %v", hello)
	}
	half, most := v.latency(200)
	t.Logf("%s: hello after %v, half of the events within %v, 99 %% within %v", transport, hello, half, most)
	if half > 50*time.Millisecond { // a proxy that buffers delays each event
		t.Errorf("half of the events within %v", half)
	}

	// The server sees that the client has left, and the client continues at its position.
	v.network.cut()
	s.eventually("the server sees that the client has left", func() bool { return s.left(id) == 1 })
	s.sent(s.m.Send(t.Context(), id, store.Text("while away")))
	v.network.heal()
	if got := v.has(201); got != "while away" {
		t.Errorf("got %q", got)
	}

	// A message up, and its echo.
	v.say("one of " + id)
	if got := v.has(202); got != "one of "+id {
		t.Errorf("got %q", got)
	}
	return v
}

// I9: if nginx changes Host, the page is foreign to the server. The refusal says what to
// do, and OwnOrigins solves it.
func TestI9NginxHost(t *testing.T) {
	binary(t, "nginx")
	s := newSite(t, 0)
	n := startNginx(t, strings.Replace(configurations(t)[0], "proxy_set_header Host $http_host;", "", 1), s.addr)
	r, err := http.NewRequestWithContext(t.Context(), "POST", n.url+"/live", strings.NewReader("x"))
	s.must(err)
	r.Header.Set("Cookie", s.cookie("ann"))
	r.Header.Set("Origin", n.url)
	resp, err := http.DefaultClient.Do(r)
	s.must(err)
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 403 || !strings.Contains(string(text), "origin") {
		t.Errorf("%s: %s", resp.Status, text)
	}
	s.own.Store(n.url)
	s.visitor(n.url, "ann", client.SSE).say("one")
}

// latency sends n messages, and returns the time within which half and 99 % of them
// arrived.
func (v *visitor) latency(n int) (half, most time.Duration) {
	v.Helper()
	var sent []time.Time
	for i := range n {
		sent = append(sent, time.Now())
		v.sent(v.m.Send(v.Context(), v.id, store.Text(fmt.Sprint("m", i))))
		time.Sleep(3 * time.Millisecond) // one at a time, to measure latency
	}
	v.has(n)
	v.mu.Lock()
	defer v.mu.Unlock()
	var took []time.Duration
	for i := range n {
		took = append(took, v.at[i].Sub(sent[i]))
		if want := fmt.Sprint("m", i); v.got[i] != want {
			v.Fatalf("got %q after %d messages", v.got[i], i)
		}
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}

// polls checks that a poll waits, and is answered at once when there is a message.
func (s *site) polls(proxy string) {
	s.Helper()
	v := s.visitor(proxy, "bob", client.Poll)
	for i := range 3 {
		time.Sleep(50 * time.Millisecond) // the poll may have arrived or not: both must work
		sent, text := time.Now(), fmt.Sprint("m", i)
		s.sent(s.m.Send(s.Context(), "bob", store.Text(text)))
		if got := v.has(i + 1); got != text {
			s.Errorf("got %q", got)
		}
		if d := v.at[i].Sub(sent); d > time.Second {
			s.Errorf("the poll was answered after %v", d)
		}
	}
	v.say("from a poll")
	v.has(4)
	if n := v.network.links.Load(); n != 1 {
		s.Errorf("%d links instead of one", n)
	}
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
		transport string
		heartbeat time.Duration
		survives  bool
	}{
		"with heartbeats":               {client.SSE, 500 * time.Millisecond, true},
		"without heartbeats":            {client.SSE, -1, false},
		"WebSocket, with heartbeats":    {client.WebSocket, 500 * time.Millisecond, true},
		"WebSocket, without heartbeats": {client.WebSocket, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, tt.heartbeat)
			v := s.visitor(start(s), "ann", tt.transport)
			end := time.Now().Add(5 * time.Second) // two and a half times the proxy's timeout
			for v.network.links.Load() == 1 && time.Now().Before(end) {
				pause()
			}
			if survived := v.network.links.Load() == 1; survived != tt.survives {
				t.Errorf("survived: %v", survived)
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
