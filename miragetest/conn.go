package miragetest

import (
	"io"
	"net"
	"sync"
	"time"
)

// conn is one connection through a Proxy.
type conn struct {
	p      *Proxy
	client net.Conn
	quit   chan struct{} // closed when cut: ends every pause
	held   bool          // responses are held until they end

	// Guarded by p.mu.
	server net.Conn // nil until join is called
	silent bool     // in a hole
	cut    bool
	how    Ending // of the cut
	each   *plan
}

// join adds the connection to the server. If the client's connection was cut meanwhile,
// it ends the same way.
func (c *conn) join(server net.Conn) {
	c.p.mu.Lock()
	c.server = server
	cut, how := c.cut, c.how
	if c.p.closed {
		how = RST // nobody would close a connection that lingers now
	}
	c.p.mu.Unlock()
	if cut {
		how.apply(server)
	}
}

// carry copies both directions until both have ended.
func (c *conn) carry() {
	var down io.Reader = c.server
	if c.held {
		down = newHolder(c.server)
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.pipe(Up, c.client, c.server) })
	wg.Go(func() { c.pipe(Down, down, c.client) })
	wg.Wait()
}

// end cuts the connection, and reports whether it was not cut before.
func (c *conn) end(how Ending) bool {
	c.p.mu.Lock()
	first := !c.cut
	if first {
		c.cut, c.how = true, how
	}
	c.p.mu.Unlock()
	if first {
		close(c.quit)
		for _, peer := range c.peers() {
			how.apply(peer)
		}
	}
	return first
}

func (c *conn) close() {
	for _, peer := range c.peers() {
		peer.Close()
	}
}

func (c *conn) peers() []net.Conn {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.server == nil {
		return []net.Conn{c.client}
	}
	return []net.Conn{c.client, c.server}
}

// lost reports whether the bytes that the peers send are lost.
func (c *conn) lost() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.cut || c.silent
}

// apply ends the connection of one peer.
func (how Ending) apply(peer net.Conn) {
	if how == RST {
		reset(peer)
		return
	}
	peer.SetWriteDeadline(time.Unix(1, 0)) // ends a blocked write
	closeWrite(peer)
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	} else {
		c.Close()
	}
}

func reset(c net.Conn) {
	if lingering, ok := c.(interface{ SetLinger(int) error }); ok {
		lingering.SetLinger(0)
	}
	c.Close()
}
