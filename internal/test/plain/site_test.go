package plain_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/test/npm"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/sse"
)

const (
	visitor  = "visitor" // everybody's id
	patience = 30 * time.Second
)

// A site is a server and the network in front of it. It serves the pages of docs/plain.md
// and records what they show.
type site struct {
	*testing.T
	proxy  *miragetest.Proxy
	direct string // the server's own address, for reports: they bypass the network

	mu       sync.Mutex
	page     string // HTML
	m        *session.Manager
	live     http.Handler
	refuse   []error // the errors that Generate returns before it gives an id
	asked    int     // GETs of /live
	attached int
	last     int      // the last number sent
	heard    []string // the lines that the client showed
}

// startSite starts a site whose hook first returns the errors in refuse, one per call.
func startSite(t *testing.T, kept store.Store, refuse ...error) *site {
	t.Helper()
	s := &site{T: t, refuse: refuse}
	s.serve(kept)

	mux := http.NewServeMux()
	mux.HandleFunc("/live", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked++
		live := s.live
		s.mu.Unlock()
		live.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /heard", func(_ http.ResponseWriter, r *http.Request) {
		line, _ := io.ReadAll(r.Body)
		s.hears(string(line))
	})

	modules := http.StripPrefix("/npm/", http.FileServer(modulesDir(npm.Modules(t))))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			s.mu.Lock()
			defer s.mu.Unlock()
			io.WriteString(w, s.page)
			return
		}
		modules.ServeHTTP(w, r)
	})

	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.drain()
		srv.CloseClientConnections()
		srv.Close()
	})
	s.direct, s.proxy = srv.URL, miragetest.NewProxy(t, srv.URL)
	return s
}

// modulesDir is the directory of the packages. It adds the ".js" that bundlers allow to
// leave out.
type modulesDir string

func (d modulesDir) Open(name string) (http.File, error) {
	if path.Ext(name) == "" {
		name += ".js"
	}
	return http.Dir(d).Open(name)
}

// serve begins to serve the sessions of a store.
func (s *site) serve(kept store.Store) {
	log := slog.New(slog.DiscardHandler)
	attached := func(context.Context, *session.Session, session.ReaderInfo) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.attached++
	}
	m := session.New(session.Options{Store: kept, Logger: log, OnAttach: attached})

	codec, err := cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte("plain"), 8))
	if err != nil {
		s.Fatal(err)
	}
	generate := func(*http.Request) (string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.refuse) == 0 {
			return visitor, nil
		}
		err := s.refuse[0]
		s.refuse = s.refuse[1:]
		return "", err
	}
	o := middleware.Options{Codec: codec, Sessions: m, Logger: log, Generate: generate}
	identify := middleware.New(o).Guard

	live := identify(transport.Handler(m, transport.Options{SSE: sse.Options{Retry: 40 * time.Millisecond}}))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m, s.live = m, live
}

func (s *site) manager() *session.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.m
}

func (s *site) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.manager().Shutdown(ctx); err != nil {
		s.Error(err)
	}
}

func (s *site) revoke() {
	s.Helper()
	if err := s.manager().Revoke(s.Context(), visitor); err != nil {
		s.Fatal(err)
	}
}

// requests returns how many GETs there were.
func (s *site) requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// send sends n messages: HTML with a number.
func (s *site) send(n int) {
	s.Helper()
	for range n {
		s.last++
		item := store.Text(fmt.Sprintf("<li>%d</li>", s.last))
		if _, err := s.manager().Send(s.Context(), visitor, item); err != nil {
			s.Fatal(err)
		}
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

func (s *site) hears(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, strings.TrimSpace(tags.ReplaceAllString(line, "")))
}

// wantAll waits until the client has shown everything that was sent, and nothing else.
func (s *site) wantAll() {
	s.Helper()
	s.until(fmt.Sprintf("message %d", s.last), func() bool { return len(s.heard) >= s.last })
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, line := range s.heard {
		if line != strconv.Itoa(i+1) {
			s.Fatalf("%q at %d: %q", line, i+1, s.heard)
		}
	}
}

// until waits for a condition, which is called with the lock held.
func (s *site) until(what string, done func() bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		ok := done()
		s.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.Fatalf("waited in vain for %s; heard %q", what, s.heard)
		}
	}
}

// block returns the code in docs/plain.md with this mark.
func block(t *testing.T, mark string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "plain.md"))
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)\n```\\w+ " + mark + "\n(.*?\n)```\n").FindSubmatch(page)
	if code == nil {
		t.Fatalf("docs/plain.md has no code marked %s", mark)
	}
	return string(code[1])
}
