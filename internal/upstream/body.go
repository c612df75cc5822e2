package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/session"
)

// read returns the whole body, within its bounds of size and time, in the memory of b if there is room.
func (h *handler) read(w http.ResponseWriter, r *http.Request, b []byte) ([]byte, error) {
	if r.ContentLength > int64(h.MaxBody) {
		return b, &http.MaxBytesError{Limit: int64(h.MaxBody)}
	}
	if r.ContentLength < 0 {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, int64(h.MaxBody)))
	}
	if b = b[:0]; int64(cap(b)) < r.ContentLength {
		b = make([]byte, 0, r.ContentLength)
	}
	b = b[:r.ContentLength]
	_, err := io.ReadFull(r.Body, b)
	return b, err
}

// refuseBody answers a body that did not come.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status, reason, _ := refusal(ErrSize)
		refuse.Write(w, r, status, reason, 0)
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		refuse.Write(w, r, http.StatusRequestTimeout, "the body took too long to come: send it again", time.Second)
		return
	}
	refuse.Write(w, r, http.StatusBadRequest, "the body did not come whole", 0)
}

var (
	errHead   = fmt.Errorf("%w: the first block must be %s", session.ErrInput, frame.EventUp)
	errNumber = fmt.Errorf("%w: a message needs its number as id", session.ErrInput)
	errData   = errors.New("a block without data")
	errCount  = errors.New("too many messages")

	// ErrSize is a body or frame that is larger than it may be.
	ErrSize = errors.New("too many bytes")
)

// A decoder is the memory that it takes to read a batch.
type decoder struct {
	body     []byte
	parser   *frame.Parser
	messages []session.Numbered
}

// keepBody is the largest body whose memory is used again.
const keepBody = 8 << 10

func (h *handler) decoder() *decoder {
	if d, ok := h.decoders.Get().(*decoder); ok {
		return d
	}
	return &decoder{parser: frame.NewParser(h.m.MaxMessage())}
}

// free lets d be used again.
func (h *handler) free(d *decoder) {
	if cap(d.body) > keepBody || cap(d.messages) > 32 {
		return
	}
	d.parser.Reset()
	clear(d.messages)
	h.decoders.Put(d)
}

// Parse reads the blocks of a body or frame into up: the head, then the messages, whose data is a copy.
func Parse(up *session.Upstream, body []byte, maxMessage, maxBatch int) error {
	d := &decoder{body: body, parser: frame.NewParser(maxMessage)}
	return d.parse(up, maxBatch)
}

func (d *decoder) parse(up *session.Upstream, maxBatch int) error {
	p := d.parser
	p.Feed(d.body)
	e, ok, err := p.Next()
	switch {
	case err != nil:
		return err
	case !ok || e.Name != frame.EventUp:
		return errHead
	}
	head, err := frame.ParseUp(e.Data)
	if err != nil || !cid.Valid(head.Writer) {
		return errHead
	}
	d.messages = d.messages[:0]
	up.Writer, up.Base, up.Ack, up.Again = cid.Name(head.Writer), head.Base, head.Ack, head.Again
	up.Leaving = head.Leaving
	for {
		e, ok, err := p.Next()
		if err == nil && p.Skipped() > 0 {
			return errData // the standard passes over it; here a message would be lost in silence
		}
		if err != nil || !ok {
			up.Messages = d.messages
			return err
		}
		if len(d.messages) == maxBatch {
			return errCount
		}
		n, err := strconv.ParseUint(e.ID, 10, 53)
		if err != nil || !e.HasID {
			return errNumber
		}
		d.messages = append(d.messages, session.Numbered{Number: n, Message: session.Message{
			Event: e.Name, Data: bytes.Clone(e.Data), Binary: e.Binary,
		}})
	}
}
