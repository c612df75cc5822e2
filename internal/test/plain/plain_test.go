package plain_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/store/memory"
)

// D2, D4, L1, W1, W6: clients of other projects get everything once and in order: after a
// first response that says "later", while the connection is cut within messages, and
// through a restart of the server. If their id was revoked while they were away, they
// stop, or ask again.
func TestPlainClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kept := memory.New(memory.Options{})
			later := &middleware.Error{Status: http.StatusServiceUnavailable, RetryAfter: 50 * time.Millisecond}
			s := startSite(t, kept, later)
			c.start(s)
			s.until("a reader", func() bool { return s.attached > 0 })
			s.send(3)
			s.wantAll()
			if n := s.requests(); n < 2 {
				t.Errorf("%d requests, the first of them refused", n)
			}

			r := rand.New(rand.NewPCG(1, 2))
			for i := range 16 {
				how := []miragetest.Ending{miragetest.FIN, miragetest.RST}[i%2]
				s.proxy.CutAfter(miragetest.Down, 1+r.IntN(150), how)
				s.send(4)
				s.wantAll()
			}

			s.drain()
			s.serve(kept)
			s.send(5)
			s.wantAll()

			s.proxy.Refuse()
			s.proxy.Cut(miragetest.RST)
			s.revoke()
			asked := s.requests()
			s.proxy.Heal()
			if c.gone != "" {
				s.until(c.gone, func() bool { return s.heard[len(s.heard)-1] == c.gone })
			} else {
				s.until("another request", func() bool { return s.asked > asked+1 })
			}
		})
	}
}

// I11, W6: clients that read mirage-end stop when the id is revoked. Clients that cannot
// read it ask once more, and get the status.
func TestPlainClientsRevoked(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, memory.New(memory.Options{}))
			c.start(s)
			s.until("a reader", func() bool { return s.attached > 0 })
			s.send(3)
			s.wantAll()
			s.revoke()
			s.until(c.ended, func() bool { return s.heard[len(s.heard)-1] == c.ended })
		})
	}
}

// docs/plain.md names the tested versions.
func TestVersions(t *testing.T) {
	page, err := os.ReadFile("../../../docs/plain.md")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile("../npm/package.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"@microsoft/fetch-event-source", "event-source-polyfill", "eventsource", "htmx-ext-sse", "htmx.org", "htmx4",
	} {
		version := regexp.MustCompile(`"` + name + `": "(?:npm:htmx.org@)?([^"]+)"`).FindSubmatch(manifest)
		if version == nil ||
			!strings.Contains(string(page), " "+string(version[1])+" ") &&
				!strings.Contains(string(page), " "+string(version[1])+", ") {
			t.Errorf("%s %s is not in docs/plain.md", name, version)
		}
	}
}

// D3: an EventSource that reconnects to a server that has forgotten everything is told
// what it lost, before the next message.
func TestD3EventSourceIsTold(t *testing.T) {
	s := startSite(t, memory.New(memory.Options{}))
	node(s)
	s.until("a reader", func() bool { return s.attached > 0 })
	s.send(3)
	s.wantAll()
	s.drain()
	s.serve(memory.New(memory.Options{}))
	s.until("another reader", func() bool { return s.attached > 1 })
	s.send(1)
	s.until("the next message", func() bool { return s.heard[len(s.heard)-1] == "4" })
	s.mu.Lock()
	defer s.mu.Unlock()
	if lost := `lost {"from":4,"to":null,"reason":"restarted"}`; len(s.heard) != 5 || s.heard[3] != lost {
		t.Errorf("heard %q", s.heard)
	}
}
