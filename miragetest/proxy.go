package miragetest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Proxy forwards TCP connections to a server and imitates a faulty network: it cuts
// connections, and it drops, delays and withholds bytes. It never changes the bytes that
// it passes on. In each direction of a connection it buffers at most 256 KiB, under Hold
// one more response. When its buffer is full, the sender's own buffers fill.
//
// The methods may be called concurrently and from any goroutine. Each fault lasts until
// Heal. Faults of different kinds do not replace each other.
type Proxy struct {
	tb     testing.TB
	scheme string
	ln     net.Listener
	dial   func(context.Context) (net.Conn, error)
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex // guards the fields below and those so marked in each conn
	closed bool
	conns  map[*conn]struct{}
	stats  Stats
	faults faults
}

// Stats has the counters of a Proxy since its start.
type Stats struct {
	Connections int   // accepted, without refused ones
	Open        int   // open now; one that was cut counts until both peers have closed it
	Refused     int   // see Proxy.Refuse
	Up, Down    int64 // bytes passed on to the server and to the client
}

// NewProxy starts a proxy to target, which is "host:port" or a URL such as that of an
// httptest.Server. It listens on a port of its own on 127.0.0.1.
//
// A Cleanup of the test resets all connections, closes the port and waits for the proxy's
// goroutines. If your server's Close waits for connections, register its Cleanup before
// NewProxy, so that it runs later. In a program that is no test, tb is nil: see New.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb = orProgram(tb)
	tb.Helper()
	scheme := "http"
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		scheme, target = u.Scheme, u.Host
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("miragetest: proxy: %v", err)
	}
	p := newProxy(tb, ln, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", target)
	})
	p.scheme = scheme
	return p
}

func newProxy(tb testing.TB, ln net.Listener, dial func(context.Context) (net.Conn, error)) *Proxy {
	p := &Proxy{tb: tb, ln: ln, dial: dial, conns: make(map[*conn]struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	tb.Cleanup(p.Close)
	return p
}

// Addr returns the address of the proxy as "127.0.0.1:port".
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// URL returns the address as a URL without a trailing slash. The scheme is that of the
// target, or http if it has none.
func (p *Proxy) URL() string { return p.scheme + "://" + p.Addr() }

// Stats returns the counters.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	stats := p.stats
	stats.Open = len(p.conns)
	return stats
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.tb.Errorf("miragetest: proxy: %v", err)
			}
			return
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

// serve forwards one connection from its beginning to its end.
func (p *Proxy) serve(client net.Conn) {
	c, hole := p.enter(client)
	if c == nil {
		reset(client)
		return
	}

	defer p.leave(c)
	if hole {
		io.Copy(io.Discard, client)
		return
	}

	server, err := p.dial(p.ctx)
	if err != nil {
		c.end(RST)
		return
	}
	c.join(server)
	c.carry()
}

// enter returns the conn of an accepted connection, or nil if it is refused. hole reports
// whether it enters a hole and must not be forwarded.
func (p *Proxy) enter(client net.Conn) (c *conn, hole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false
	}
	if p.faults.refuse {
		p.stats.Refused++
		return nil, false
	}

	c = &conn{p: p, client: client, quit: make(chan struct{}), silent: p.faults.hole, held: p.faults.hold}
	if each := p.faults.each; each != nil {
		plan := *each
		c.each = &plan
	}

	p.stats.Connections++
	p.conns[c] = struct{}{}
	return c, c.silent
}

// leave closes the rest of a connection and removes it.
func (p *Proxy) leave(c *conn) {
	c.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// open returns the current connections.
func (p *Proxy) open() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	return conns
}

// Close resets all connections, closes the port, and waits for the proxy's goroutines. A
// second call does nothing. A test need not call it.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.ln.Close()
	for _, c := range p.open() {
		c.end(RST)
		c.close() // one that was cut before may linger
	}
	p.wg.Wait()
}
