package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/response"
)

// conn is what the library reads from: the connection, but that it writes nothing itself. Its pongs and close frames go out by the Socket, which has
// only whole frames in each write and knows the deadlines.
type conn struct {
	ws      *ws.Conn
	net     net.Conn
	out     *downstream.Socket
	meter   *meter // nil without a bound
	rest    []byte // what the client sent behind its handshake
	timeout time.Duration
	lost    bool // the connection failed, or ended
	inFrame bool // a frame has begun
	armed   bool // and has a deadline
}

// The sizes of the library's buffers. Of small frames several come in one read; large ones are read past the buffer.
const (
	readBuffer  = 256
	writeBuffer = 2 + 125 // a control frame, so that it is written whole
)

// accept takes the connection over, with the library's handshake.
func accept(w http.ResponseWriter, r *http.Request) (*conn, error) {
	c := new(conn)
	response.Identity(w)
	var err error
	c.ws, err = ws.Accept(&taker{w, c}, r, &ws.AcceptOptions{
		InsecureSkipVerify: true, // the middleware has looked at the origin, and knows more
		CompressionMode:    ws.CompressionDisabled,
		OnPingReceived:     c.onPing,
	})
	if err != nil {
		return nil, err
	}
	c.ws.SetReadLimit(-1) // frame has its own, which ends no link
	return c, nil
}

// taker hands the library the conn in place of the connection that it takes over.
type taker struct {
	http.ResponseWriter
	c *conn
}

// Unwrap lets http.ResponseController through.
func (t *taker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack implements http.Hijacker.
func (t *taker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if sent, _ := response.Sent(t); !sent {
		_, _ = t.Write(nil) // gin's WriteHeader only notes the status
	}
	sent, known := response.Sent(t)
	nc, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_ = nc.SetDeadline(time.Time{}) // of the server's ReadTimeout and WriteTimeout
	if n := rw.Reader.Buffered(); n > 0 {
		t.c.rest = make([]byte, n)
		_, _ = rw.Read(t.c.rest) // they are there
	}
	if known && !sent { // the library has called WriteHeader, and a middleware has kept it
		if err := writeHead(nc, t.Header()); err != nil {
			nc.Close()
			return nil, nil, err
		}
	}
	t.c.net = nc
	c := &pipe{nc, t.c}
	return c, bufio.NewReadWriter(bufio.NewReaderSize(c, readBuffer), bufio.NewWriterSize(c, writeBuffer)), nil
}

// writeHead writes the head that accepts a handshake.
func writeHead(nc net.Conn, h http.Header) error {
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = h.Write(&head) // to memory: no error
	head.WriteString("\r\n")
	_ = nc.SetWriteDeadline(time.Now().Add(headTimeout))
	_, err := nc.Write(head.Bytes())
	_ = nc.SetWriteDeadline(time.Time{})
	return err
}

const headTimeout = 10 * time.Second

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
	for d := m.wait(time.Now()); d > 0 && !p.c.out.Over(); d = m.wait(time.Now()) {
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
	if len(c.rest) > 0 {
		n := copy(b, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	if c.inFrame && !c.armed {
		c.out.ReadUntil(time.Now().Add(c.timeout))
		c.armed = true
	}
	n, err := p.Conn.Read(b)
	if n > 0 {
		c.out.Heard()
	}
	c.lost = c.lost || err != nil
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the library takes an EOF within a frame for the frame's end
	}
	return n, err
}

// Write implements net.Conn: what the library writes is a close frame, because the client sent one or what no client may send.
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
	p.c.out.Finish(code, reason)
	return len(b), nil
}

// Close implements net.Conn. The Socket closes the connection; where it has not, the library has given up a ping that did not come whole.
func (p *pipe) Close() error {
	p.c.out.Finish(4000+http.StatusRequestTimeout, tooSlow)
	return nil
}

// begin and end note that a frame is being read.
func (c *conn) begin() { c.inFrame = true }

func (c *conn) end() {
	if c.inFrame = false; c.armed {
		c.armed = false
		c.out.ReadUntil(time.Time{})
	}
}
