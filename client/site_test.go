package client_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/test/memnet"
)

var transports = []string{client.WebSocket, client.SSE, client.Poll}

// site is a server on a network in memory, in a bubble where time costs nothing.
type site struct {
	*testing.T
	live   *mirage.Live
	server *http.Server
	net    *memnet.Listener
	url    string

	clients []*client.Client
	https   []*http.Client

	mu   sync.Mutex
	dial func(net.Conn) net.Conn // changes each new connection; may be nil
	got  []string                // what the application was called with
}

// onSite runs f with a server in a bubble.
func onSite(t *testing.T, o mirage.Options, f func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, o)
		defer s.stop()
		f(s)
	})
}

func newSite(t *testing.T, o mirage.Options) *site {
	s := &site{T: t}
	s.start(o)
	s.url = "http://" + s.net.Addr().String() + "/live"
	return s
}

var key = bytes.Repeat([]byte{7}, 32)

// start starts the server, as a process that begins with nothing in memory.
func (s *site) start(o mirage.Options) {
	if o.OnMessage == nil {
		o.OnMessage = s.receive
	}
	o.Keys, o.Insecure, o.Logger = [][]byte{key}, true, slog.New(slog.DiscardHandler)
	s.live = mirage.New(o)
	mux := http.NewServeMux()
	mux.Handle("/live", s.live)
	mux.Handle("/login", s.live.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.live.Rotate(w, r); err != nil {
			s.Error(err)
		}
	})))
	s.server = &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	listener := memnet.Listen()
	go s.server.Serve(listener)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.net = listener
}

func (s *site) stop() {
	for _, c := range s.clients {
		s.close(c)
	}
	for _, h := range s.https {
		h.CloseIdleConnections()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.live.Shutdown(ctx)
	s.server.Close()
	time.Sleep(time.Minute) // in the bubble: net/http lingers after an early answer
}

func (s *site) receive(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, string(in.Data))
	if in.Event == "fail" {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// has checks what the application was called with.
func (s *site) has(want ...string) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if fmt.Sprint(s.got) != fmt.Sprint(want) {
		s.Errorf("the application was called with %q, want %q", s.got, want)
	}
}

// http returns an HTTP client that reaches the site.
func (s *site) http() *http.Client {
	h := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			conn, err := s.net.Dial(ctx)
			if err == nil && s.dial != nil {
				conn = s.dial(conn)
			}
			return conn, err
		},
	}}
	s.https = append(s.https, h)
	return h
}

// connect returns a client with these options.
func (s *site) connect(o client.Options) *client.Client {
	s.Helper()
	if o.HTTPClient == nil {
		o.HTTPClient = s.http()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	c, err := client.Dial(ctx, s.url, o)
	if err != nil {
		s.Fatal(err)
	}
	s.clients = append(s.clients, c)
	return c
}

// close closes a client that may have messages for a server that is gone.
func (s *site) close(c *client.Client) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

// send sends texts to the session of a client.
func (s *site) send(c *client.Client, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if _, err := s.live.Send(s.Context(), c.ID(), mirage.Text(text)); err != nil {
			s.Fatal(err)
		}
	}
}

// take returns the next n messages, those that may come again with a question mark, and
// errors in parentheses.
func take(t testing.TB, messages func(context.Context) iter.Seq2[client.Message, error], n int) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	for m, err := range messages(ctx) {
		text := string(m.Data)
		if m.Again {
			text += "?"
		}
		if err != nil {
			text = "(" + err.Error() + ")"
		}
		got = append(got, text)
		m.Ack()
		if ctx.Err() != nil {
			t.Fatalf("the messages end with %q", got)
		}
		if len(got) == n {
			break
		}
	}
	return got
}

func equal(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// nothing checks that no further message comes within a minute.
func (s *site) nothing(c *client.Client) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	for m, err := range c.Messages(ctx) {
		if ctx.Err() == nil {
			s.Errorf("got %q, error %v", m.Data, err)
		}
	}
}

// say sends a text from a client to the application.
func (s *site) say(c *client.Client, text string) {
	s.Helper()
	if err := c.Send(s.Context(), client.Message{Data: []byte(text)}); err != nil {
		s.Errorf("Send: %v", err)
	}
}
