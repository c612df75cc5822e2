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

// conn is the connection that the library reads from. The library writes nothing to it:
// its pongs and close frames go out through the writer, which writes only whole frames
// and knows the deadlines.
type conn struct {
	ws      *ws.Conn
	net     net.Conn
	out     *writer
	meter   *meter // nil if the rate has no bound
	unread  []byte // bytes that the client sent right after its handshake
	timeout time.Duration
	lost    bool // reading has failed, or the connection has ended
	frame   frameState
}

// A frameState says how much of the frame has arrived that is being read.
//
//	frameNone --beginFrame--> frameBegun --nothing more has come--> frameTimed
//	    ^                         |                                    |
//	    +---------endFrame--------+--------------endFrame--------------+
type frameState uint8

const (
	frameNone  frameState = iota
	frameBegun            // without a deadline: all of it may be there already
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

// pipe is conn as the net.Conn that http.Hijacker returns to the library.
type pipe struct {
	net.Conn
	c *conn
}

// Read implements net.Conn. It slows down a client that sends too many frames to the rate
// of the meter.
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

// read reads the available bytes. Within a frame there is a deadline, which begins when
// the rest of the frame is not available at once.
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
		err = io.ErrUnexpectedEOF // to the library, an EOF within a frame is the end of the frame
	}
	return n, err
}

// Write implements net.Conn. The library writes only close frames: it answers that of the
// client, or the client has violated the protocol.
func (p *pipe) Write(b []byte) (int, error) {
	code, reason := 0, ""
	if len(b) >= 4 {
		code = int(binary.BigEndian.Uint16(b[2:]))
	}
	switch {
	case code == int(ws.StatusProtocolError):
		reason = malformed // the library's own text is not for clients
	case len(b) > 4 && !utf8.Valid(b[4:]): // the library echoes the client's reason
		code, reason = int(ws.StatusInvalidFramePayloadData), "the reason of a close frame is UTF-8"
	}
	p.c.out.finish(code, reason)
	return len(b), nil
}

// Close implements net.Conn. The reader closes the connection, by leave. If the library
// calls Close before that, it has given up waiting for the rest of a ping.
func (p *pipe) Close() error {
	p.c.out.finish(4000+http.StatusRequestTimeout, tooSlow)
	return nil
}
