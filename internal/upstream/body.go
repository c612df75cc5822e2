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
	"github.com/mirage-go/mirage/store"
)

// A body is the body of a request, with its bounds.
type body struct {
	io.Reader
	most  int  // bytes
	exact bool // it has exactly that many
}

// bodyOf returns the bounded body of a request.
func (h *handler) bodyOf(w http.ResponseWriter, r *http.Request) (body, error) {
	switch {
	case r.ContentLength > int64(h.o.MaxBody):
		return body{}, ErrSize
	case r.ContentLength >= 0:
		return body{r.Body, int(r.ContentLength), true}, nil
	}
	return body{http.MaxBytesReader(w, r.Body, int64(h.o.MaxBody)), h.o.MaxBody + 1, false}, nil
}

// first waits for the first byte, and holds no other memory meanwhile. It returns nil if
// the body is empty.
func (b body) first() ([]byte, error) {
	if b.most == 0 {
		return nil, nil
	}
	one := make([]byte, 1)
	for {
		switch n, err := b.Read(one); {
		case n > 0:
			return one, nil
		case err == io.EOF && !b.exact:
			return nil, nil
		case err != nil:
			return nil, err
		}
	}
}

// readAll appends the rest of the body to got. The memory grows as the bytes arrive.
func (b body) readAll(in *session.Intake, got []byte) ([]byte, error) {
	for len(got) < b.most {
		if len(got) == cap(got) {
			grown := make([]byte, len(got), min(b.most, max(512, 2*cap(got))))
			copy(grown, got)
			got = grown
		}
		if err := in.Hold(cap(got)); err != nil {
			return got, err
		}

		n, err := b.Read(got[len(got):min(cap(got), b.most)])
		got = got[:len(got)+n]
		switch {
		case err == io.EOF && (!b.exact || len(got) == b.most):
			return got, nil
		case err == io.EOF:
			return got, io.ErrUnexpectedEOF
		case err != nil:
			return got, err
		}
	}

	return got, nil
}

// refuseBody answers a request whose body did not arrive or is refused.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = ErrSize
	}
	if errors.Is(err, ErrSize) || errors.Is(err, session.ErrBusy) {
		refuse.Write(w, r, refusal(err))
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		refuse.Write(w, r, refuse.Refusal{
			Status: http.StatusRequestTimeout, Code: "timeout",
			Reason: "the body took too long to come: send it again", Retry: time.Second,
		})
		return
	}
	refuse.Write(w, r, refuse.Refusal{
		Status: http.StatusBadRequest, Code: "incomplete", Reason: "the body did not come whole",
	})
}

var (
	errHead   = fmt.Errorf("%w: the first block must be %s", session.ErrInput, frame.EventUp)
	errNumber = fmt.Errorf("%w: a message needs its number as id", session.ErrInput)
	errData   = errors.New("a block without data")
	errCount  = errors.New("too many messages")

	// ErrSize is the error for a body or frame that is too large.
	ErrSize = errors.New("too many bytes")
)

// maxTopics is how many topics one batch joins and leaves at most, but for those of its
// last block.
const maxTopics = 4 * session.MaxTopics

// parseTopics parses a block in which a client joins or leaves topics.
func parseTopics(up *session.Upstream, e frame.Event) error {
	if len(up.Topics) > maxTopics {
		return errCount
	}
	if e.Name == frame.EventLeave {
		leave, err := frame.ParseLeave(e.Data)
		for _, topic := range leave.Topics {
			up.Topics = append(up.Topics, session.TopicRequest{Topic: topic, Leave: true})
		}
		return asInput(err)
	}
	join, err := frame.ParseJoin(e.Data)
	for _, t := range join.Topics {
		up.Topics = append(up.Topics, session.TopicRequest{Topic: t.Topic, From: t.From, Info: t.Info})
	}
	return asInput(err)
}

// asInput returns the refusal of data that could not be parsed.
func asInput(err error) error {
	if err == nil || errors.Is(err, frame.ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: the data of a block that joins or leaves topics", session.ErrInput)
}

// A decoder is the memory for parsing a batch.
type decoder struct {
	body     []byte
	parser   *frame.Parser
	messages []session.Numbered
}

// keepBody is the largest body, in bytes, whose memory is reused.
const keepBody = 8 << 10

func (h *handler) decoder() *decoder {
	if d, ok := h.decoders.Get().(*decoder); ok {
		return d
	}
	return &decoder{parser: frame.NewParser(h.o.MaxMessageSize)}
}

// free returns d to the pool.
func (h *handler) free(d *decoder) {
	if cap(d.body) > keepBody || cap(d.messages) > 32 {
		return
	}
	d.parser.Reset()
	clear(d.messages)
	h.decoders.Put(d)
}

// Parse parses the blocks of a body or frame into up: the head, then the messages. The
// messages do not refer to body.
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
	up.Leaving, up.Reload = head.Leaving, head.Reload

	// Each block after the head is a message, or asks for topics.
	blocks := 0
	for {
		e, ok, err := p.Next()
		if err == nil && p.Skipped() > 0 {
			return errData // the standard ignores it; here a message would be lost silently
		}
		if err != nil || !ok {
			up.Messages = d.messages
			return err
		}
		if blocks++; blocks > maxBatch {
			return errCount
		}
		switch e.Name {
		case frame.EventJoin, frame.EventLeave:
			if err := parseTopics(up, e); err != nil {
				return err
			}
			continue
		}

		n, err := strconv.ParseUint(e.ID, 10, 53)
		if err != nil || !e.HasID {
			return errNumber
		}
		d.messages = append(d.messages, session.Numbered{Number: n, Trace: e.Trace, Message: store.Message{
			Event: e.Name, Data: bytes.Clone(e.Data), Binary: e.Binary,
		}})
	}
}
