package upstream

import (
	"bytes"
	"encoding/json"
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

// read returns the whole body, within its bounds of size and time.
func (h *handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > int64(h.MaxBody) {
		return nil, &http.MaxBytesError{Limit: int64(h.MaxBody)}
	}
	body := http.MaxBytesReader(w, r.Body, int64(h.MaxBody))
	if r.ContentLength < 0 {
		return io.ReadAll(body)
	}
	b := make([]byte, r.ContentLength)
	_, err := io.ReadFull(body, b)
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
	errCount  = errors.New("too many messages")

	// ErrSize is a body or frame that is larger than it may be.
	ErrSize = errors.New("too many bytes")
)

// Parse reads the blocks of a body or frame into up: the head, then the messages, whose data is a copy.
func Parse(up *session.Upstream, body []byte, maxMessage, maxBatch int) error {
	p := frame.NewParser(maxMessage)
	p.Feed(body)
	e, ok, err := p.Next()
	switch {
	case err != nil:
		return err
	case !ok || e.Name != frame.EventUp:
		return errHead
	}
	var head frame.Up
	if json.Unmarshal(e.Data, &head) != nil || !cid.Valid(head.Writer) {
		return errHead
	}
	up.Writer, up.Base, up.Ack, up.Again = head.Writer, head.Base, head.Ack, head.Again
	for {
		e, ok, err := p.Next()
		if err != nil || !ok {
			return err
		}
		if len(up.Messages) == maxBatch {
			return errCount
		}
		n, err := strconv.ParseUint(e.ID, 10, 53)
		if err != nil || !e.HasID {
			return errNumber
		}
		up.Messages = append(up.Messages, session.Numbered{Number: n, Message: session.Message{
			Event: e.Name, Data: bytes.Clone(e.Data), Binary: e.Binary,
		}})
	}
}
