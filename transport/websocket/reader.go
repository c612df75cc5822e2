package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/upstream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// reader is the goroutine of a link: it takes in one frame after another.
type reader struct {
	h     *handler
	ctx   context.Context // of the handlers
	id    string
	ref   store.LinkRef
	plain bool
	conn  *conn

	handled  atomic.Int64 // frames with messages that are new
	accepted uint64       // the last number that was accepted on this link; of whoever has the turn

	turn chan struct{} // full while a frame with messages is being handled, for the answers are in order; nil before the first
}

func (l *reader) run() {
	out := l.conn.out
	goodbye := false
	defer func() {
		out.Leave(goodbye)
		_ = l.conn.ws.CloseNow()
	}()
	defer l.recover()
	for {
		err := l.next()
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded): // a link that is over already stays what it is
			out.Finish(4000+http.StatusRequestTimeout, tooSlow)
		case errors.Is(err, errBytes):
			out.Finish(int(ws.StatusUnsupportedData), "the frames here are text")
		case errors.Is(err, errText):
			out.Finish(int(ws.StatusInvalidFramePayloadData), "text frames are UTF-8")
		case ws.CloseStatus(err) != -1:
			goodbye = true
		case !l.conn.lost: // the library has said so itself, unless it thinks that nobody listens
			out.Finish(int(ws.StatusProtocolError), malformed)
		}
		return
	}
}

var (
	errBytes = errors.New("websocket: a binary frame")
	errText  = errors.New("websocket: a text frame that is not UTF-8")
)

// recover ends the link of a panic, as net/http does.
func (l *reader) recover() {
	if v := recover(); v != nil {
		slog.Error("mirage: reading from a client panicked", "panic", fmt.Sprint(v))
		l.conn.out.Finish(int(ws.StatusInternalError), "")
	}
}

// What close frames say.
const (
	malformed = "this is no frame of a WebSocket client"
	tooSlow   = "the frame took too long to come"
)

// frames keeps buffers for what is being read; idle links hold none.
var frames = sync.Pool{New: func() any { return new([]byte) }}

const keepBuffer = 128 << 10

// next reads one frame and handles it.
func (l *reader) next() error {
	kind, r, err := l.conn.ws.Reader(context.Background())
	if err != nil {
		return err
	}
	buf := frames.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= keepBuffer {
			frames.Put(buf)
		}
	}()
	l.conn.begin()
	body, err := read((*buf)[:0], r, l.h.up.MaxBody)
	l.conn.end()
	*buf = body
	switch {
	case errors.Is(err, upstream.ErrSize):
		l.refuse(err)
		return nil
	case err != nil:
		return err
	case l.conn.out.Over():
		return nil // the client has not read yet that the link has ended
	case kind == ws.MessageBinary && !l.plain:
		return errBytes
	case kind == ws.MessageText && !utf8.Valid(body):
		return errText
	}
	l.receive(kind, body)
	return nil
}

// read appends the frame to buf. One of more than limit bytes is dropped.
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

// receive takes in a frame: what a POST carries, or the message of a plain client. An acknowledgement counts at once; a message waits until the one
// before it is handled, and nothing more is read meanwhile.
func (l *reader) receive(kind ws.MessageType, body []byte) {
	up := session.Upstream{ID: l.id, Link: l.ref}
	if l.plain {
		up.Messages = []session.Numbered{{Message: store.Message{Data: append([]byte{}, body...), Binary: kind == ws.MessageBinary}}}
	} else if err := upstream.Parse(&up, body, l.h.m.MaxMessageSize(), l.h.up.MaxBatch); err != nil {
		l.refuse(err)
		return
	}
	if none := len(up.Messages) == 0; none || len(l.turn) > 0 {
		_, err := l.h.m.Receive(l.ctx, session.Upstream{ID: up.ID, Link: up.Link, Ack: up.Ack, Leaving: up.Leaving && none})
		if none {
			if err != nil {
				l.refuse(err)
			}
			return
		}
	}
	if l.wait(); l.conn.out.Over() {
		<-l.turn
		return
	}
	l.conn.out.Busy(true)
	go l.handle(up)
}

// wait waits for the turn.
func (l *reader) wait() {
	if l.turn == nil {
		l.turn = make(chan struct{}, 1)
	}
	l.turn <- struct{}{}
}

// refuse answers a frame of which nothing was taken, after those before it.
func (l *reader) refuse(err error) {
	l.wait()
	l.say(session.Receipt{}, err)
	<-l.turn
}

// handle handles the messages of one frame, and answers it.
func (l *reader) handle(up session.Upstream) {
	defer func() { <-l.turn }()
	defer l.conn.out.Busy(false)
	defer l.recover()
	got, err := l.h.m.Receive(l.ctx, up)
	if got.Accepted > l.accepted || l.plain && err == nil {
		l.accepted = got.Accepted
		l.handled.Add(1)
	}
	if err != nil || len(got.Failed) > 0 || !l.plain {
		l.say(got, err)
	}
}

// say answers a frame.
func (l *reader) say(got session.Receipt, err error) {
	l.conn.out.Say(upstream.AppendAnswer(nil, got, err))
}

// onPing lets the Socket answer a ping.
func (c *conn) onPing(_ context.Context, payload []byte) bool {
	c.out.Pong(payload)
	return false
}
