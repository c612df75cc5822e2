package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many unread bytes a direction accepts, like the buffers of a socket: a
// write is not a delivery.
const window = 64 << 10

// conn is one end of a connection. It reads from one direction and writes to the other.
type conn struct {
	in, out       *direction
	local, remote net.Addr
}

func pipe(a, b net.Addr) (near, far net.Conn) {
	there, back := newDirection(), newDirection()
	return &conn{back, there, a, b}, &conn{there, back, b, a}
}

func (c *conn) Read(b []byte) (int, error)         { return c.in.read(b) }
func (c *conn) Write(b []byte) (int, error)        { return c.out.write(b) }
func (c *conn) LocalAddr() net.Addr                { return c.local }
func (c *conn) RemoteAddr() net.Addr               { return c.remote }
func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.until(&c.in.reader, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.until(&c.out.writer, t) }

func (c *conn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// CloseWrite tells the peer that no further bytes follow.
func (c *conn) CloseWrite() error { return c.out.end(&c.out.writer) }

// Close ends both directions. The peer reads the bytes written before, then io.EOF, and
// its writes fail.
func (c *conn) Close() error {
	c.in.end(&c.in.reader)
	return c.out.end(&c.out.writer)
}

// A direction carries bytes one way. Its fields are guarded by mu.
type direction struct {
	mu             sync.Mutex
	changed        sync.Cond
	buf            []byte
	reader, writer side
}

// A side is the state of one of the two ends of a direction.
type side struct {
	closed   bool
	deadline time.Time
	timer    *time.Timer // wakes waiting calls at the deadline
}

func newDirection() *direction {
	d := new(direction)
	d.changed.L = &d.mu
	return d
}

func (d *direction) read(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	for {
		switch {
		case d.reader.closed:
			return 0, net.ErrClosed
		case d.reader.late():
			return 0, os.ErrDeadlineExceeded
		case len(d.buf) > 0 || len(b) == 0:
			n := copy(b, d.buf)
			d.buf = d.buf[n:]
			d.changed.Broadcast()
			return n, nil
		case d.writer.closed:
			return 0, io.EOF
		}
		d.changed.Wait()
	}
}

func (d *direction) write(b []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()

	for {
		switch {
		case d.writer.closed:
			return n, net.ErrClosed
		case d.writer.late():
			return n, os.ErrDeadlineExceeded
		case d.reader.closed:
			return n, syscall.EPIPE
		}
		if room := min(window-len(d.buf), len(b)-n); room > 0 {
			d.buf = append(d.buf, b[n:n+room]...)
			n += room
			d.changed.Broadcast()
		}
		if n == len(b) {
			return n, nil
		}
		d.changed.Wait()
	}
}

// until sets the deadline of a side. It also applies to calls that are already waiting.
func (d *direction) until(s *side, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.stop()
	// A deadline in the past needs no timer. Under the race detector a timer that fires
	// at once can crash a bubble: https://go.dev/issue/78156
	if s.deadline = t; time.Until(t) > 0 {
		s.timer = time.AfterFunc(time.Until(t), d.wake)
	}
	d.changed.Broadcast()
	return nil
}

func (d *direction) end(s *side) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.closed = true
	s.stop()
	d.changed.Broadcast()
	return nil
}

func (d *direction) wake() {
	d.mu.Lock() // the wake-up must not fall between a call's look at the clock and its wait
	defer d.mu.Unlock()
	d.changed.Broadcast()
}

func (s *side) late() bool { return !s.deadline.IsZero() && !time.Now().Before(s.deadline) }

func (s *side) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}
