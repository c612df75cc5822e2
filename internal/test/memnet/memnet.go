// Package memnet is an in-memory network for tests in a testing/synctest bubble. All its
// waits are durably blocking, so heartbeats, deadlines and expiry take no real time.
// Create a Listener inside the bubble that uses it.
package memnet

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// A Listener is a net.Listener whose peers connect with Dial. Its methods may be called
// concurrently.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
	dialed atomic.Int32
}

// Listen returns a new Listener.
func Listen() *Listener {
	l := &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// Dial connects to the listener. It waits until the connection is accepted, ctx ends or
// the listener is closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000 + int(l.dialed.Add(1))%20000}
	near, far := pipe(client, l.Addr())
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: l.Addr(), Err: context.Cause(ctx)}
	}
}

// Client returns a new HTTP client that reaches the listener under any http URL. Proxies
// and origin checks expect "http://" + l.Addr().String(). Call its CloseIdleConnections
// before the bubble ends.
func (l *Listener) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
	}}
}

// Accept waits for the next connection. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept and Dial fail. Connections stay open. Later calls do nothing.
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr returns a loopback address, because callers split it into host and port.
func (l *Listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
