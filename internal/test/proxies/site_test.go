package proxies_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// site is a Mirage server on a real port, behind the proxy of the test. Its application
// echoes each message.
type site struct {
	*testing.T
	m     *session.Manager
	codec *cookie.Codec
	addr  string
	pages http.Handler
	own   atomic.Value // the site's own further origin; nil for none
	mu    sync.Mutex
	said  []string       // what the application was sent
	ended map[string]int // links that ended because their client had left, by id
}

func newSite(t *testing.T, heartbeat time.Duration) *site {
	s := &site{T: t, ended: map[string]int{}}
	s.m = session.New(session.Options{
		Heartbeat: heartbeat, Logger: slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, to *session.Session, in session.Incoming) error {
			s.mu.Lock()
			s.said = append(s.said, string(in.Data))
			s.mu.Unlock()
			_, err := to.Send(ctx, in.Message)
			return err
		},
		OnClose: func(c session.Closed) {
			if c.End == "" {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.ended[c.ID]++
			}
		},
	})

	var err error
	s.codec, err = cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte{7}, 32))
	s.must(err)

	r := chi.NewRouter()
	live := transport.Handler(s.m, transport.Options{})
	r.With(s.identify).Handle("/live", live)
	r.Get("/ready", func(http.ResponseWriter, *http.Request) {})
	s.pages = r

	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.addr = l.Addr().String()

	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()

	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		server.Close()
		<-served
	})
	return s
}

// identify is the middleware with the site's current own origins: a test learns its
// proxy's address late.
func (s *site) identify(next http.Handler) http.Handler {
	o := middleware.Options{Codec: s.codec, Sessions: s.m}
	strict := middleware.New(o).Guard(next)
	known := sync.OnceValue(func() http.Handler {
		o.OwnOrigins = []string{s.own.Load().(string)}
		return middleware.New(o).Guard(next)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.own.Load() == nil {
			strict.ServeHTTP(w, r)
			return
		}
		known().ServeHTTP(w, r)
	})
}

// left returns how many links of an id have ended because their client had left.
func (s *site) left(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[id]
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// sent is must for the results of Send.
func (s *site) sent(_ store.Position, err error) {
	s.Helper()
	s.must(err)
}

func (s *site) eventually(what string, is func() bool) {
	s.Helper()
	for end := time.Now().Add(patience); !is(); pause() {
		if time.Now().After(end) {
			s.Fatal("not in time: ", what)
		}
	}
}
