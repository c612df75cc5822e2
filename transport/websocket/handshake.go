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

// The sizes of the library's buffers. One read gets several small frames; large ones are
// read past the buffer.
const (
	readBuffer  = 256
	writeBuffer = 2 + 125 // a whole control frame, so that it is written at once
)

// accept hijacks the connection, with the library's handshake.
func accept(w http.ResponseWriter, r *http.Request) (*conn, error) {
	c := new(conn)
	response.Identity(w)
	var err error
	c.ws, err = ws.Accept(&taker{w, c}, r, &ws.AcceptOptions{
		InsecureSkipVerify: true, // the middleware has checked the origin, and knows more
		CompressionMode:    ws.CompressionDisabled,
		OnPingReceived:     c.onPing,
	})
	if err != nil {
		return nil, err
	}
	c.ws.SetReadLimit(-1) // read has its own limit, which does not end the link
	return c, nil
}

// taker gives the library the conn in place of the connection that it hijacks.
type taker struct {
	http.ResponseWriter
	c *conn
}

// Unwrap makes the methods of the writer available to http.ResponseController.
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

	_ = nc.SetDeadline(time.Time{}) // clears those of the server's ReadTimeout and WriteTimeout
	if n := rw.Reader.Buffered(); n > 0 {
		t.c.unread = make([]byte, n)
		_, _ = rw.Read(t.c.unread) // from the buffer: no error
	}
	if known && !sent { // the library has called WriteHeader, and a middleware has held it back
		if err := writeHead(nc, t.Header()); err != nil {
			nc.Close()
			return nil, nil, err
		}
	}

	t.c.net = nc
	c := &pipe{nc, t.c}
	return c, bufio.NewReadWriter(bufio.NewReaderSize(c, readBuffer), bufio.NewWriterSize(c, writeBuffer)), nil
}

// writeHead writes the response header that accepts a handshake.
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
