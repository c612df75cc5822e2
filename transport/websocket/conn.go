package websocket

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	ws "github.com/coder/websocket"
)

// conn is what the library reads from: the connection, except that the library writes
// nothing itself. Its pongs and close frames go out by the writer, which has only whole
// frames in each write and knows the deadlines.
type conn struct {
	ws      *ws.Conn
	net     net.Conn
	out     *writer
	meter   *meter // nil without a bound
	unread  []byte // what the client sent behind its handshake
	timeout time.Duration
	lost    bool // the connection failed, or ended
	frame   frameState
}

// A frameState is how far the frame has come that is being read.
//
//	frameNone --beginFrame--> frameBegun --nothing more has come--> frameTimed
//	    ^                         |                                    |
//	    +---------endFrame--------+--------------endFrame--------------+
type frameState uint8

const (
	frameNone  frameState = iota
	frameBegun            // without a deadline: it may be there already
	frameTimed            // with a deadline
)

func (c *conn) beginFrame() { c.frame = frameBegun }

func (c *conn) endFrame() {
	if c.frame == frameTimed {
		c.out.readUntil(time.Time{})
	}
	c.frame = frameNone
}

// onPing lets the writer answer a ping.
func (c *conn) onPing(_ context.Context, payload []byte) bool {
	c.out.replyPong(payload)
	return false
}

// pipe is conn as the net.Conn that a Hijacker returns.
type pipe struct {
	net.Conn
	c *conn
}

// Read implements net.Conn. From a client that sends too many frames it reads no faster
// than the meter has it.
func (p *pipe) Read(b []byte) (n int, err error) {
	m := p.c.meter
	if m == nil {
		return p.read(b)
	}
	for d := m.wait(time.Now()); d > 0 && !p.c.out.isOver(); d = m.wait(time.Now()) {
		time.Sleep(min(d, time.Second))
	}
	n, err = p.read(b)
	m.count(b[:n])
	return n, err
}

// read reads what there is. Within a frame it has a deadline, which begins when the frame
// is not there at once.
func (p *pipe) read(b []byte) (int, error) {
	c := p.c
	if len(c.unread) > 0 {
		n := copy(b, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}

	if c.frame == frameBegun {
		c.out.readUntil(time.Now().Add(c.timeout))
		c.frame = frameTimed
	}

	n, err := p.Conn.Read(b)
	if n > 0 {
		c.out.noteRead()
	}
	c.lost = c.lost || err != nil
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the library takes an EOF within a frame for the frame's end
	}
	return n, err
}

// Write implements net.Conn. What the library writes is a close frame, because the client
// sent one, or sent what no client may send.
func (p *pipe) Write(b []byte) (int, error) {
	code, reason := 0, ""
	if len(b) >= 4 {
		code = int(binary.BigEndian.Uint16(b[2:]))
	}
	switch {
	case code == int(ws.StatusProtocolError):
		reason = malformed // the library's own text is not for clients
	case len(b) > 4 && !utf8.Valid(b[4:]): // it says back what the client has said
		code, reason = int(ws.StatusInvalidFramePayloadData), "the reason of a close frame is UTF-8"
	}
	p.c.out.finish(code, reason)
	return len(b), nil
}

// Close implements net.Conn. The reader closes the connection, by leave. If it has not,
// the library has given up a ping that did not come whole.
func (p *pipe) Close() error {
	p.c.out.finish(4000+http.StatusRequestTimeout, tooSlow)
	return nil
}
