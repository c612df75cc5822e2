package client_test

import (
	"errors"
	"net"
	"sync"
)

// A cutter cuts the connection that carries a certain byte in one direction, once.
type cutter struct {
	up bool

	mu      sync.Mutex
	left    int // bytes until the cut; negative after it
	carried int // bytes in that direction in all
}

var errCut = errors.New("cut")

// grant returns how many of n bytes pass, and whether the connection is cut after them.
func (c *cutter) grant(up bool, n int) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if up != c.up {
		return n, false
	}
	if c.left >= 0 && n > c.left {
		n = c.left
		c.left = -1
		c.carried += n
		return n, true
	}
	if c.left >= 0 {
		c.left -= n
	}
	c.carried += n
	return n, false
}

// cutConn is the client's end of a connection through a cutter.
type cutConn struct {
	net.Conn
	c *cutter
}

func (c cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if passed, cut := c.c.grant(false, n); cut {
		c.Close()
		if passed == 0 {
			return 0, errCut
		}
		return passed, nil
	}
	return n, err
}

func (c cutConn) Write(b []byte) (int, error) {
	passed, cut := c.c.grant(true, len(b))
	n, err := c.Conn.Write(b[:passed])
	if cut {
		c.Close()
		return n, errCut
	}
	return n, err
}

// A hole swallows what passes it while it is open. Connections that were in it stay
// there.
type hole struct {
	mu   sync.Mutex
	open bool
}

func (h *hole) set(open bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = open
}

// holeConn is the client's end of a connection through a hole.
type holeConn struct {
	net.Conn
	h      *hole
	closed chan struct{}
	once   *sync.Once
	lost   *bool // guarded by h.mu
}

func newHoleConn(conn net.Conn, h *hole) net.Conn {
	return holeConn{conn, h, make(chan struct{}), new(sync.Once), new(bool)}
}

func (c holeConn) isLost() bool {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	*c.lost = *c.lost || c.h.open
	return *c.lost
}

func (c holeConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if !c.isLost() {
			return n, err
		}
		if err != nil {
			<-c.closed
			return 0, net.ErrClosed
		}
	}
}

func (c holeConn) Write(b []byte) (int, error) {
	if c.isLost() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c holeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
