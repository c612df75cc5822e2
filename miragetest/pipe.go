package miragetest

import (
	"bytes"
	"io"
	"net"
	"time"
)

// chunk is the result of one read.
type chunk struct {
	data []byte
	err  error
	due  time.Time
}

// pipe copies one direction until src ends. It continues to read after a cut. Otherwise
// the kernel would answer bytes for a closed socket with an RST after the FIN.
func (c *conn) pipe(dir Direction, src io.Reader, dst net.Conn) {
	queue := make(chan chunk, 64)
	go func() { // ends with src, and pipe then ends with the queue
		defer close(queue)
		for buf := make([]byte, 4<<10); ; {
			n, err := src.Read(buf)
			if !c.lost() {
				queue <- chunk{bytes.Clone(buf[:n]), err, time.Now().Add(c.delay())}
			}
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

// pass writes data as far as the network's faults allow.
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

// finish passes on the end of a direction.
func (c *conn) finish(dst net.Conn, err error) {
	switch {
	case c.lost():
	case err == io.EOF:
		closeWrite(dst)
	default:
		c.end(RST)
	}
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
