package miragetest

import (
	"bytes"
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
	held   bool          // responses wait for their end

	// Guarded by p.mu.
	server net.Conn // nil until join
	silent bool     // in a hole
	cut    bool
	each   *plan
}

// chunk is what one read brought.
type chunk struct {
	data []byte
	err  error
	due  time.Time
}

// join adds the connection to the server, unless the client's was cut meanwhile.
func (c *conn) join(server net.Conn) bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if !c.cut {
		c.server = server
	}
	return !c.cut
}

// carry carries both directions until both have ended.
func (c *conn) carry() {
	var down io.Reader = c.server
	if c.held {
		down = newHolder(c.server)
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.lane(Up, c.client, c.server) })
	wg.Go(func() { c.lane(Down, down, c.client) })
	wg.Wait()
}

// lane carries one direction until src ends. It reads on after a cut, so that a FIN is not followed by the RST with which
// a kernel answers bytes for a closed socket.
func (c *conn) lane(dir Direction, src io.Reader, dst net.Conn) {
	queue := make(chan chunk, 64)
	go func() { // ends with src, and lane then ends with the queue
		defer close(queue)
		for buf := make([]byte, 4<<10); ; {
			n, err := src.Read(buf)
			queue <- chunk{bytes.Clone(buf[:n]), err, time.Now().Add(c.delay())}
			if err != nil {
				return
			}
		}
	}()
	for next := range queue {
		c.pause(time.Until(next.due))
		c.pass(dir, dst, next.data)
		if next.err != nil {
			c.finish(dst, next.err)
		}
	}
}

// pass writes data as the network's faults allow.
func (c *conn) pass(dir Direction, dst net.Conn, data []byte) {
	for len(data) > 0 {
		n, pause, cut := c.p.grant(c, dir, len(data))
		if n > 0 {
			if _, err := dst.Write(data[:n]); err != nil {
				c.end(RST) // the receiver is gone
				return
			}
			c.count(dir, n)
		}
		if cut != nil {
			c.end(cut.how)
		}
		if n == 0 || cut != nil {
			return
		}
		data = data[n:]
		c.pause(pause)
	}
}

// finish hands on the end of a direction.
func (c *conn) finish(dst net.Conn, err error) {
	c.p.mu.Lock()
	lost := c.cut || c.silent
	c.p.mu.Unlock()
	switch {
	case lost:
	case err == io.EOF:
		closeWrite(dst)
	default:
		c.end(RST)
	}
}

// end cuts the connection; false if it was cut before.
func (c *conn) end(how Ending) bool {
	c.p.mu.Lock()
	first := !c.cut
	c.cut = true
	c.p.mu.Unlock()
	if !first {
		return false
	}
	close(c.quit)
	for _, peer := range c.peers() {
		if how == RST {
			reset(peer)
		} else {
			peer.SetWriteDeadline(time.Unix(1, 0)) // ends a write that waits
			closeWrite(peer)
		}
	}
	return true
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

func (c *conn) delay() time.Duration {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.p.faults.delay
}

func (c *conn) count(dir Direction, n int) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if dir == Up {
		c.p.stats.Up += int64(n)
	} else {
		c.p.stats.Down += int64(n)
	}
}

// pause waits for d, or until the connection is cut.
func (c *conn) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.quit:
	}
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
