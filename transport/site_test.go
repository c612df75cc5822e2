package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// site is what newWorld's world is, on a real port and the real clock.
type site struct {
	testing.TB
	m     *session.Manager
	calls *ledger // what the application was called with, unless the setup has its own OnMessage
	mw    func(http.Handler) http.Handler
	live  http.Handler // the transports, not behind mw yet
	codec *cookie.Codec
	srv   *httptest.Server
	log   *sink // of the http.Server
}

// newSite prepares a site; start or startWith starts it.
func newSite(t testing.TB, s setup) *site {
	t.Helper()

	site := &site{TB: t, calls: &ledger{of: map[string][]string{}}, log: new(sink)}
	if s.session.OnMessage == nil {
		s.session.OnMessage = site.calls.onMessage
	}
	s.session.Logger = slog.New(slog.DiscardHandler)

	site.m = session.New(s.session)
	codec, err := cookie.New(cookie.Options{Insecure: true}, key)
	if err != nil {
		t.Fatal(err)
	}
	site.codec = codec
	s.identity.Codec, s.identity.Sessions, s.identity.Logger = codec, site.m, slog.New(slog.DiscardHandler)
	site.mw = middleware.New(s.identity).Guard
	s.transport.SSE.KeepHandler = *plain
	site.live = transport.Handler(site.m, s.transport)

	r := chi.NewRouter()
	r.Use(s.around...)
	r.With(site.mw).Handle("/live", site.live)
	site.srv = httptest.NewUnstartedServer(r)
	site.srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(site.log, nil), slog.LevelInfo)
	if s.server != nil {
		s.server(site.srv.Config)
	}

	t.Cleanup(site.close)
	return site
}

// started is newSite and Start.
func started(t testing.TB, s setup) *site {
	t.Helper()
	site := newSite(t, s)
	site.srv.Start()
	return site
}

func (s *site) url() string { return s.srv.URL + "/live" }

// cookie is the Cookie header of somebody with this id.
func (s *site) cookie(id string) string {
	signed, err := s.codec.Set(http.Header{}, id)
	if err != nil {
		s.Fatal(err)
	}
	return "mirage=" + signed
}

func (s *site) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.m.Shutdown(ctx); err != nil {
		s.Errorf("Manager.Shutdown: %v", err)
	}
	if s.srv.URL != "" {
		s.srv.CloseClientConnections()
		s.srv.Close()
	}
}

// client returns a client of its own for the site: no connection is shared with another
// one.
func (s *site) client(protocols func(*http.Protocols)) *http.Client {
	t := &http.Transport{DisableCompression: true}
	if protocols != nil {
		t.Protocols = new(http.Protocols)
		protocols(t.Protocols)
	}
	if s.srv.TLS != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: s.srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	}
	s.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t}
}

// connect returns a client as users have it, at the live URL of the site or of a proxy in
// front of it, and its HTTP client.
func (s *site) connect(ctx context.Context, url string, o client.Options) (*client.Client, *http.Client, error) {
	h := s.client(nil)
	o.HTTPClient, o.Logger = h, slog.New(slog.DiscardHandler)
	c, err := client.Dial(ctx, url, o)
	return c, h, err
}

// clientTransports are what a client changes among.
var clientTransports = []string{client.WebSocket, client.SSE, client.Poll}

// keepChanging changes the transport of a client ten times a second, until ctx ends.
func keepChanging(ctx context.Context, c *client.Client) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for i := 1; ctx.Err() == nil; i++ {
		one, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		_ = c.Use(one, clientTransports[i%3]) // the network may be down
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// receive returns the next n messages of a client, or those before the first error. A
// message that may have been delivered before is an error.
func receive(ctx context.Context, c *client.Client, n int) (got []string, _ error) {
	for m, err := range c.Messages(ctx) {
		if err == nil && m.Again {
			err = fmt.Errorf("%q comes again", m.Data)
		}
		if err != nil {
			return got, err
		}
		if got = append(got, string(m.Data)); len(got) == n {
			m.Ack()
			break
		}
	}
	return got, nil
}

// ledger keeps what the application was called with, by session, and answers each call
// with a message to the session.
type ledger struct {
	mu sync.Mutex
	of map[string][]string
}

func (l *ledger) onMessage(ctx context.Context, s *session.Session, in session.Incoming) error {
	l.mu.Lock()
	l.of[s.ID()] = append(l.of[s.ID()], string(in.Data))
	l.mu.Unlock()
	_, err := s.Send(ctx, store.Message{Data: bytes.Clone(in.Data)})
	return err
}

func (l *ledger) calls(id string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.of[id]
}

// sink keeps what is written to it.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
