package websocket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/response"
)

// The sizes of the library's buffers. Of small frames several come in one read; large
// ones are read past the buffer.
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
		t.c.unread = make([]byte, n)
		_, _ = rw.Read(t.c.unread) // they are there
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
