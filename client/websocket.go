package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

var (
	errCutFrame  = errors.New("client: a WebSocket frame was cut")
	errNoUpgrade = errors.New("client: something in between does not pass the upgrade to WebSocket on")
)

// An upgrader refuses an answer with status 200 to a handshake at once. It is a stream,
// which the library would read for seconds.
type upgrader struct{ http.RoundTripper }

func (u upgrader) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := u.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK {
		resp.Body.Close()
		return nil, errNoUpgrade
	}
	return resp, err
}

// carrySocket runs a link over a WebSocket. It returns when that has ended.
func (c *Client) carrySocket(l *link, to *url.URL) error {
	h, err := c.headers(l.ctx, "")
	if err != nil {
		return err
	}
	upgrading := *c.http
	upgrading.Transport = upgrader{cmp.Or(c.http.Transport, http.DefaultTransport)}
	o := &websocket.DialOptions{HTTPClient: &upgrading, HTTPHeader: h}
	conn, resp, err := websocket.Dial(l.ctx, to.String(), o)
	if err != nil {
		return c.handshakeError(resp, err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1) // the parser bounds what is kept

	if !c.post(func() {
		l.socket = conn
		c.address.adopt(resp.Request.URL)
	}) {
		return ErrClosed
	}
	f, buf := c.newFeeder(l), make([]byte, chunkSize)
	for {
		if err := readFrame(l.ctx, conn, f, buf); err != nil {
			return closeError(err)
		}
	}
}

// readFrame reads one frame. The library takes the end of a connection within a frame for
// the end of the frame, so only whole blocks count: a frame ends with one.
func readFrame(ctx context.Context, conn *websocket.Conn, f *feeder, buf []byte) error {
	kind, r, err := conn.Reader(ctx)
	if err != nil {
		return err
	}
	if kind != websocket.MessageText {
		return errors.New("client: the server has sent a binary frame")
	}

	end := make([]byte, 0, 2*len("\n\n"))
	for {
		n, err := r.Read(buf)
		if n > 0 {
			end = append(end, buf[max(0, n-2):n]...)
			end = append(end[:0], end[max(0, len(end)-2):]...)
			if err := f.feed(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF && !bytes.Equal(end, []byte("\n\n")):
			return errCutFrame
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// handshakeError returns why a handshake failed. What a gateway says about handshakes is
// no reason to give up the other transports.
func (c *Client) handshakeError(resp *http.Response, err error) error {
	if resp == nil || resp.StatusCode < 300 {
		return withoutQuery(unwrapAll(err))
	}
	e := refusal(resp.StatusCode, resp.Header, resp.Body)
	if e.Gateway && len(c.o.Transports) > 1 {
		return errors.New("client: websocket: " + e.Detail)
	}
	return e
}

// unwrapAll returns the *url.Error in err, whose text has the URL, or err.
func unwrapAll(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e
	}
	return err
}

// closeError returns what a close frame of the server says: 4000 + status.
func closeError(err error) error {
	ce, ok := errors.AsType[websocket.CloseError](err)
	if !ok {
		return err
	}
	detail, retry := ce.Reason, time.Duration(0)
	if text, after, ok := strings.Cut(ce.Reason, "; retry in "); ok {
		if seconds, err := strconv.ParseUint(strings.TrimSuffix(after, " s"), 10, 32); err == nil {
			detail, retry = text, time.Duration(seconds)*time.Second
		}
	}
	if detail == "" {
		detail = "closed with " + strconv.Itoa(int(ce.Code))
	}
	return &Error{Status: max(0, int(ce.Code)-4000), Detail: shorten(detail), RetryAfter: retry}
}

// writeFrame sends a body over the WebSocket of a link.
func writeFrame(ctx context.Context, conn *websocket.Conn, body []byte) error {
	return conn.Write(ctx, websocket.MessageText, body)
}
