package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/store"
)

// reader is the goroutine of a link that reads one frame after another. (The readers of
// package session are clients.)
type reader struct {
	h     *handler
	value any // session.Options.Value's result for the request, for callbacks
	id    string
	ref   store.LinkRef
	plain bool
	conn  *conn

	handled  atomic.Int64 // how many frames had new messages
	accepted uint64       // the last number that was accepted on this link; guarded by answers

	// answers is a lock, which is held while a frame is handled and answered, so that
	// answers are in order. It is nil before the first.
	answers chan struct{}
}

func (l *reader) run() {
	out := l.conn.out
	goodbye := false
	defer func() {
		out.leave(goodbye)
		_ = l.conn.ws.CloseNow()
	}()
	defer l.recover()

	for {
		err := l.next()
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded): // no effect if the link has ended already
			out.finish(4000+http.StatusRequestTimeout, tooSlow)
		case errors.Is(err, errBytes):
			out.finish(int(ws.StatusUnsupportedData), "the frames here are text")
		case errors.Is(err, errText):
			out.finish(int(ws.StatusInvalidFramePayloadData), "text frames are UTF-8")
		case ws.CloseStatus(err) != -1:
			goodbye = true
		case !l.conn.lost: // the library has sent a close frame already, unless it thinks that nobody reads it
			out.finish(int(ws.StatusProtocolError), malformed)
		}
		return
	}
}

var (
	errBytes = errors.New("websocket: a binary frame")
	errText  = errors.New("websocket: a text frame that is not UTF-8")
)

// recover ends the link after a panic in its goroutine, as net/http does.
func (l *reader) recover() {
	if v := recover(); v != nil {
		slog.Error("mirage: reading from a client panicked", "panic", fmt.Sprint(v))
		l.conn.out.finish(int(ws.StatusInternalError), "")
	}
}

// The reasons in close frames.
const (
	malformed = "this is no frame of a WebSocket client"
	tooSlow   = "the frame took too long to come"
)

// next reads one frame and handles it.
func (l *reader) next() error {
	kind, r, err := l.conn.ws.Reader(context.Background())
	if err != nil {
		return err
	}
	buf := memory.Get()
	defer func() { memory.Put(buf, cap(*buf)) }()
	l.conn.beginFrame()
	body, err := read((*buf)[:0], r, l.h.shared.MaxBody)
	l.conn.endFrame()
	*buf = body

	switch {
	case errors.Is(err, upstream.ErrSize):
		l.refuse(err)
		return nil
	case err != nil:
		return err
	case l.conn.out.isOver():
		return nil // the client does not know yet that the link has ended
	case kind == ws.MessageBinary && !l.plain:
		return errBytes
	case kind == ws.MessageText && !utf8.Valid(body):
		return errText
	}
	l.receive(kind, body)
	return nil
}

// read appends the frame to buf. A frame of more than limit bytes is read and dropped;
// the error is upstream.ErrSize.
func read(buf []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, max(512, min(len(buf), 64<<10)))...)[:len(buf)]
		}

		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF && len(buf) <= limit:
			return buf, nil
		case err == nil && len(buf) > limit:
			_, err = io.Copy(io.Discard, r)
			if err == nil {
				err = upstream.ErrSize
			}
			return buf[:0], err
		case err == io.EOF:
			return buf[:0], upstream.ErrSize
		case err != nil:
			return buf[:0], err
		}
	}
}
