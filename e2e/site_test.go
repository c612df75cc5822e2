package e2e

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

//go:embed client
var clientFiles embed.FS

// clientPages are the pages of mirage.js under test.
var clientPages = func() http.Handler {
	root, err := fs.Sub(clientFiles, "client")
	if err != nil {
		panic(err)
	}
	return http.FileServerFS(root)
}()

// setup has what a test may choose about its site.
type setup struct {
	session   session.Options
	identity  middleware.Options
	transport transport.Options
	front     func(http.Handler) http.Handler // wraps the transports, as a proxy does
	routes    map[string]http.HandlerFunc     // the application's own, behind the middleware
}

// A site is a server in this process and the network in front of it. Its application
// sends numbers down and records those that come up.
type site struct {
	*testing.T
	setup
	codec *cookie.Codec
	proxy *miragetest.Proxy

	polls    sync.Map      // the polls under way, and their positions
	prepared atomic.Int32  // pages that are loaded before they are shown, see before.html
	show     chan struct{} // closed when they are to be shown
	reports  chan report   // from pages without automation

	mu     sync.Mutex
	m      *session.Manager
	live   http.Handler // nil while the server is down
	bare   []string     // the methods of fetches without a page of this site as Referer
	links  *links
	opened []string         // the ids of all sessions so far
	ended  []store.Ended    // how they ended
	gaps   []store.Lost     // that the application was told of
	up     map[string]*runs // that came up, by the name of the page
	again  int              // how many of them were flagged
	down   int              // the last number sent
	quit   func()
}

func startSite(t *testing.T, o setup) *site {
	t.Helper()
	s := &site{T: t, setup: o, up: map[string]*runs{}, show: make(chan struct{}), reports: make(chan report, 1)}
	codec, err := cookie.New(cookie.Options{Insecure: true}, []byte("e2e-e2e-e2e-e2e-e2e-e2e-e2e-e2e-"))
	if err != nil {
		t.Fatal(err)
	}
	s.codec = codec

	s.session.Logger = slog.New(slog.DiscardHandler)
	s.session.Rate = -1
	if s.session.MaxMessages == 0 {
		s.session.MaxMessages, s.session.MaxBytes = 100_000, 32<<20
	}
	if s.session.Heartbeat == 0 {
		s.session.Heartbeat = 500 * time.Millisecond
	}

	s.session.OnOpen = func(_ context.Context, sess *session.Session) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.opened = append(s.opened, sess.ID())
	}
	s.session.OnEnd = func(_ context.Context, e store.Ended) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = append(s.ended, e)
	}
	s.session.OnGap = func(_ context.Context, _ *session.Session, _ session.ReaderInfo, lost store.Lost) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gaps = append(s.gaps, lost)
	}
	s.session.OnMessage = s.onMessage
	if s.transport.Poll.Pause == 0 {
		// After this time without a next poll, a page counts as gone.
		s.transport.Poll = poll.Options{Pause: 2 * time.Second}
	}

	s.identity.Codec, s.identity.Logger = s.codec, s.session.Logger
	s.start(memory.New(memory.Options{}))

	mux := http.NewServeMux()
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		live := s.live
		if transportOf(r) != "websocket" && !strings.HasPrefix(r.Referer(), s.proxy.URL()+"/") {
			s.bare = append(s.bare, r.Method)
		}
		s.mu.Unlock()
		if pos := r.URL.Query().Get("_pos"); transportOf(r) == "poll" {
			s.polls.Store(r, pos)
			defer s.polls.Delete(r)
		}
		live.ServeHTTP(w, r)
	})

	for path := range s.routes {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			live := s.live
			s.mu.Unlock()
			live.ServeHTTP(w, r)
		})
	}

	mux.Handle("/live/mirage.js", transport.Script())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policyOf(r.URL.Path))
		w.Header().Set("Referrer-Policy", "no-referrer")
		switch r.URL.Path {
		case "/frame.js":
			w.Header().Set("Access-Control-Allow-Origin", "*") // for frames with an opaque origin
		case "/before.html":
			w.Header().Set("Speculation-Rules", `"/rules.json?`+r.URL.RawQuery+`"`)
		case "/rules.json":
			w.Header().Set("Content-Type", "application/speculationrules+json")
			fmt.Fprintf(w, `{"prerender": [{"urls": [%q], "eagerness": "immediate"}]}`, "/?"+r.URL.RawQuery)
			return
		case "/show":
			<-s.show
			w.WriteHeader(http.StatusNoContent)
			return
		case "/prepared":
			s.prepared.Add(1)
			w.WriteHeader(http.StatusNoContent)
			return
		case "/report":
			var it report
			if err := json.NewDecoder(r.Body).Decode(&it); err != nil {
				s.Error(err)
			}
			s.reports <- it
			return
		}
		clientPages.ServeHTTP(w, r)
	})

	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.drain()
		srv.CloseClientConnections()
		srv.Close()
	})
	s.proxy = miragetest.NewProxy(t, srv.URL)
	return s
}

// policyOf returns the strictest policy under which a page can load the client and reach
// the server.
func policyOf(page string) string {
	scripts, connect, base, frames := "'self'", "'self'", "'none'", "'none'"
	switch page {
	case "/smoke.html", "/elsewhere.html":
		connect, frames = "'self' http://127.0.0.1:*", "*" // the test's own server, see remote_test.go
	case "/nonce.html":
		scripts = "'nonce-once'"
	case "/deep/base.html":
		base = "'self'"
	}
	return "default-src 'none'; script-src " + scripts + "; connect-src " + connect + "; base-uri " + base + "; " +
		"form-action 'none'; frame-ancestors " + frames + "; require-trusted-types-for 'script'"
}

// start begins to serve the sessions of a store.
func (s *site) start(kept store.Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = &links{Store: kept, turns: map[store.LinkRef]uint64{}}
	s.session.Store = s.links
	s.m = session.New(s.session)
	s.identity.Sessions = s.m
	inside := http.NewServeMux()
	inside.Handle("/live", transport.Handler(s.m, s.transport))
	for path, route := range s.routes {
		inside.HandleFunc(path, route)
	}
	s.live = middleware.New(s.identity).Guard(inside)
	if s.front != nil {
		s.live = s.front(s.live)
	}
}

func (s *site) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.manager().Shutdown(ctx); err != nil {
		s.Error(err)
	}
}

// restart shuts the server down in order, waits for a moment, and starts it again with
// the store kept.
func (s *site) restart(kept store.Store, away time.Duration) {
	s.Helper()
	s.drain()
	s.proxy.Refuse()
	s.proxy.Cut(miragetest.RST)
	time.Sleep(away)
	s.start(kept)
	s.proxy.Heal()
}

func (s *site) manager() *session.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m
}

func (s *site) onMessage(_ context.Context, _ *session.Session, in session.Incoming) error {
	name, number, _ := strings.Cut(string(in.Data), ":")
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up[name] == nil {
		s.up[name] = &runs{}
	}
	s.up[name].add(n)
	if in.Again {
		s.again++
	}
	return nil
}

// id returns the id of the only session.
func (s *site) id() string {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(slices.Compact(slices.Sorted(slices.Values(s.opened)))); n != 1 {
		s.Errorf("%d ids for one client: %v", n, s.opened)
		return ""
	}
	return s.opened[0]
}

// polled reports whether a poll is under way at a position that ends with this.
func (s *site) polled(position string) bool {
	for _, pos := range s.polls.Range {
		if strings.HasSuffix(pos.(string), position) {
			return true
		}
	}
	return false
}

// report is what a page reports about itself.
type report struct {
	Got       runs
	Sent      map[string]int
	Events    []string
	Transport string
}

// until waits for a condition on the server.
func (s *site) until(what string, ok func() bool) {
	s.Helper()
	s.within(20*time.Second, what, ok)
}

func (s *site) within(most time.Duration, what string, ok func() bool) {
	s.Helper()
	for deadline := time.Now().Add(most); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatal("waited in vain: ", what)
		}
	}
}
