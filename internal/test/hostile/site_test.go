package hostile_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
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

// host is the site's name. As far as its cookies and origins are concerned, it is on
// https: a proxy in front of it ended TLS.
const host = "app.example"

// payload is in every message and every query that is sent, and must be in no log.
const payload = "pAyL0ad"

var key = bytes.Repeat([]byte{7}, 32)

// setup has what a test may choose about its site.
type setup struct {
	addr      string // address to listen on; "" means a free port
	session   session.Options
	identity  middleware.Options
	transport transport.Options
	server    func(*http.Server)
	routes    func(chi.Router, func(http.Handler) http.Handler)
}

// site is a server on a real port. Its application echoes each message to the sender's
// session.
type site struct {
	testing.TB
	m      *session.Manager
	codec  *cookie.Codec
	server *http.Server
	addr   string
	log    sink // of everything: Manager, middleware, http.Server
	served chan error
	active sync.Map     // of net.Conn that carry a request
	taken  atomic.Int64 // connections that net/http has handed over

	mu      sync.Mutex
	handled []handled
	opened  int      // sessions
	signed  []string // all texts that must not be in a log
}

// handled is a call of the application.
type handled struct {
	id string
	session.Incoming
}

func newSite(t testing.TB, o setup) *site {
	t.Helper()
	s := &site{TB: t, served: make(chan error, 1)}
	logger := slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))

	if o.session.OnMessage == nil {
		o.session.OnMessage = s.onMessage
	}
	o.session.OnOpen = func(context.Context, *session.Session) { s.mu.Lock(); s.opened++; s.mu.Unlock() }
	o.session.Logger, o.identity.Logger = logger, logger
	s.m = session.New(o.session)

	codec, err := cookie.New(cookie.Options{}, key)
	s.must(err)
	s.codec = codec
	o.identity.Codec, o.identity.Sessions = codec, s.m
	identify := middleware.New(o.identity).Guard

	r := chi.NewRouter()
	r.With(identify).Handle("/live", transport.Handler(s.m, o.transport))
	if o.routes != nil {
		o.routes(r, identify)
	}
	s.server = &http.Server{
		Handler:           r,
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelError),
		ConnState:         s.state,
	}
	if o.server != nil {
		o.server(s.server)
	}

	if o.addr == "" {
		o.addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.addr)
	s.must(err)
	s.addr = l.Addr().String()
	go func() { s.served <- s.server.Serve(l) }()
	t.Cleanup(s.close)
	return s
}

func (s *site) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateActive:
		s.active.Store(c, true)
		return
	case http.StateHijacked:
		s.taken.Add(1)
	}
	s.active.Delete(c)
}

// links returns how many connections the server serves, or has ever hijacked.
func (s *site) links() int {
	n := int(s.taken.Load())
	s.active.Range(func(any, any) bool { n++; return true })
	return n
}

func (s *site) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.m.Shutdown(ctx); err != nil {
		s.Errorf("Manager.Shutdown: %v", err)
	}
	s.server.Close()
	<-s.served
	s.clean()
}

// clean checks that the log has nothing that must stay secret, and that nothing went
// wrong in the server.
func (s *site) clean() {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log.String()
	for _, secret := range append(s.signed, payload, "_mirage=", "_cid=", "_pos=", "panic", "superfluous") {
		if i := strings.Index(log, secret); i >= 0 {
			s.Errorf("%q is in the log: …%.300s", secret, log[max(0, i-100):])
			return
		}
	}
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

// sign returns the signed value of an id.
func (s *site) sign(id string) string {
	signed, err := s.codec.Sign(cookie.ID, id)
	s.must(err)
	s.secret(signed)
	return signed
}

func (s *site) secret(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = append(s.signed, text)
}

func (s *site) onMessage(ctx context.Context, to *session.Session, in session.Incoming) error {
	s.mu.Lock()
	s.handled = append(s.handled, handled{to.ID(), in})
	s.mu.Unlock()
	_, err := to.Send(ctx, in.Message)
	return err
}

// calls returns the texts with which the application was called for a session.
func (s *site) calls(id string) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handled {
		if h.id == id {
			texts = append(texts, string(h.Data))
		}
	}
	return texts
}

// others returns how many calls the application had for sessions other than id, and how
// many sessions there were.
func (s *site) others(id string) (n, sessions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.handled {
		if h.id != id {
			n++
		}
	}
	return n, s.opened
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

// eventually polls until is returns true, or fails after ten seconds.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within ten seconds: ", what)
		}
	}
}

// usage is what the process holds.
type usage struct {
	goroutines int
	bytes      int64 // heap and stacks
}

func measure() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), int64(m.HeapAlloc + m.StackInuse)}
}

// settles waits until the process is back at its usage of before, within some goroutines
// and three megabytes: the runtime keeps the descriptors of goroutines forever.
func settles(t testing.TB, before usage) {
	t.Helper()
	var now usage
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now = measure()
		if now.goroutines <= before.goroutines+2 && now.bytes <= before.bytes+3<<20 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%+v before, %+v after", before, now)
		}
	}
}
