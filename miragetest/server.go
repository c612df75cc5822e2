package miragetest

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/test/memnet"
)

// A Server serves an application to its visitors. Create it with New. Its methods may be
// called concurrently.
type Server struct {
	// Timeout bounds how long a method waits for what it expects. Set it before the first
	// visitor comes. Zero means five minutes in a bubble, and 20s on a port.
	Timeout time.Duration

	tb     testing.TB
	memory bool
	addr   string // on a port: where each process listens
	url    string
	born   time.Time

	settling sync.Mutex // held during synctest.Wait

	mu       sync.Mutex
	process  *process // nil while the server is stopped
	visitors []*Visitor
	closed   bool
}

// New serves h, which is the router of an application with a *mirage.Live in it, or only
// that. In a bubble of testing/synctest the network is in memory, otherwise the server
// listens on a port of 127.0.0.1.
//
// A Cleanup of the test calls Close. A program that is no test, such as one that drives a
// browser, passes nil as tb. It calls Close itself, and a method that would end a test
// panics with a *Failure.
func New(tb testing.TB, h http.Handler) *Server {
	tb = orProgram(tb)
	tb.Helper()
	s := &Server{tb: tb, memory: isBubble(), addr: "127.0.0.1:0", url: "http://localhost", born: time.Now()}
	s.Start(h)
	if !s.memory {
		s.addr = s.process.listener.Addr().String()
		_, port, _ := net.SplitHostPort(s.addr)
		s.url += ":" + port
	}
	tb.Cleanup(s.Close)
	return s
}

// isBubble reports whether this goroutine is in a bubble: Wait panics if it is not.
func isBubble() (is bool) {
	defer func() { is = recover() == nil }()
	synctest.Wait()
	return true
}

// settle waits in a bubble until everything that has begun has its effect, so that tests
// are deterministic.
func (s *Server) settle() {
	switch {
	case !s.memory:
	case s.settling.TryLock():
		defer s.settling.Unlock()
		synctest.Wait()
	default: // only one goroutine may wait
		time.Sleep(time.Millisecond)
	}
}

// URL returns the address of the site, without a trailing slash. In a bubble only
// visitors reach it.
func (s *Server) URL() string { return s.url }

// Start serves another application after Stop, such as the same one in its next version.
// Cookies of the one before count if both have the same keys.
func (s *Server) Start(h http.Handler) {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.process != nil {
		s.tb.Fatalf("miragetest: Start needs a server that was stopped and not closed")
	}

	var l net.Listener = memnet.Listen()
	if !s.memory {
		var err error
		if l, err = net.Listen("tcp", s.addr); err != nil {
			s.tb.Fatalf("miragetest: %v", err)
		}
	}
	s.process = startProcess(l, h)
}

// Stop ends the server like a process that is killed: all connections die, and new ones
// are refused until Start. It waits until no handler is running. To end links in order,
// as at a deployment, call Shutdown of the application's mirage.Live before.
func (s *Server) Stop() {
	s.tb.Helper()
	s.mu.Lock()
	p := s.process
	s.process = nil
	s.mu.Unlock()
	if p == nil {
		return
	}
	if running := p.stop(s.patience()); running != "" {
		s.tb.Errorf("miragetest: the handler of %s does not end, although its connection has ended", running)
	}
}

// Close ends the visitors' tabs and the server. A second call does nothing. Shutdown of
// the mirage.Live is up to you: call it before or after Close if a test checks for
// goroutines that are left.
func (s *Server) Close() {
	s.tb.Helper()
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	visitors := slices.Clone(s.visitors)
	s.mu.Unlock()
	if !first {
		return
	}

	for _, v := range visitors {
		v.end()
	}
	s.Stop()
}

// dial connects to the process that is running.
func (s *Server) dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	p := s.process
	s.mu.Unlock()
	switch {
	case p == nil:
		return nil, syscall.ECONNREFUSED
	case s.memory:
		return p.listener.(*memnet.Listener).Dial(ctx)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", s.addr)
}

// patience is how long a method waits.
func (s *Server) patience() time.Duration {
	if s.memory {
		return cmp.Or(s.Timeout, 5*time.Minute)
	}
	return cmp.Or(s.Timeout, 20*time.Second)
}
