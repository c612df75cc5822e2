package inspect

import (
	"errors"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// detail is the JSON of one session.
type detail struct {
	Key   string `json:"key"`
	ID    string `json:"id,omitempty"`
	Now   int64  `json:"now"`             // in milliseconds since 1970
	Ended string `json:"ended,omitempty"` // why it has ended
	Log   *log   `json:"log"`             // null if it has ended, or if the Store does not tell
	// Links are those on this node.
	Links []link `json:"links"`
	// Timeline has what happened on this node, the oldest first.
	Timeline []mark `json:"timeline"`
}

// log is the JSON of what the store keeps of a session.
type log struct {
	First       uint64   `json:"first"`
	Top         uint64   `json:"top"`
	Messages    int      `json:"messages"`
	Bytes       int64    `json:"bytes"`
	MaxMessages int      `json:"maxMessages"`
	MaxBytes    int64    `json:"maxBytes"`
	Retention   int64    `json:"retention"` // in milliseconds
	Readers     []reader `json:"readers"`
	Writers     int      `json:"writers"`
	Topics      []string `json:"topics"`
}

type reader struct {
	Reader string `json:"reader"`
	Plain  bool   `json:"plain"`
	Links  int    `json:"links"`
	Acked  uint64 `json:"acked"`
	Sent   uint64 `json:"sent"`
	Away   int64  `json:"away"` // in milliseconds; 0 while it has a link
}

type link struct {
	Reader    string `json:"reader"`
	Plain     bool   `json:"plain"`
	Transport string `json:"transport"`
	Remote    string `json:"remote"`
	Age       int64  `json:"age"` // in milliseconds
	Bytes     int64  `json:"bytes"`
	Acked     uint64 `json:"acked"`
	Waiting   bool   `json:"waiting"` // for the next poll
}

func (h *handler) session(w http.ResponseWriter, r *http.Request) {
	id, ok := h.find(r, r.PathValue("key"))
	if !ok {
		refuse(w, http.StatusNotFound, "no session of this name, or its events are forgotten")
		return
	}

	d := detail{Key: session.LogID(id), Now: nowMilli(), Links: []link{}, Timeline: []mark{}}
	if h.o.ShowIDs {
		d.ID = id
	}
	s := h.shard(id)
	s.mu.Lock()
	if el := s.byID[id]; el != nil {
		t := el.Value.(*track)
		d.Timeline, d.Ended = t.all(), t.ended
	}
	s.mu.Unlock()

	for _, l := range h.live.Sessions().Links(id) {
		d.Links = append(d.Links, link{
			l.Reader, l.Plain, l.Transport, l.RemoteAddr, l.Age.Milliseconds(), l.Bytes, l.Acked, l.Waiting,
		})
	}
	if h.store != nil {
		kept, err := h.store.InspectSession(r.Context(), id)
		switch {
		case err == nil:
			d.Log = logOf(&kept)
		case !errors.Is(err, store.ErrNotFound):
			refuse(w, http.StatusServiceUnavailable, "the store does not answer: "+session.Reason(err))
			return
		}
	}
	answer(w, &d)
}

func logOf(s *store.SessionDetail) *log {
	l := &log{
		First: s.First, Top: s.Top, Messages: s.Messages, Bytes: s.Bytes,
		MaxMessages: s.Bounds.MaxMessages, MaxBytes: s.Bounds.MaxBytes, Retention: s.Bounds.Retention.Milliseconds(),
		Readers: []reader{}, Writers: s.Writers, Topics: append([]string{}, s.Topics...),
	}
	for _, r := range s.ReaderDetails {
		l.Readers = append(l.Readers, reader{r.Reader, r.Plain, r.Links, r.Acked, r.Sent, milliseconds(r.Away)})
	}
	return l
}

// message is the JSON of a message.
type message struct {
	Number uint64 `json:"number"`
	Reader string `json:"reader,omitempty"` // the only one that it is for
	Event  string `json:"event,omitempty"`
	Key    string `json:"key,omitempty"`
	Bytes  int    `json:"bytes"`
	Text   string `json:"text"` // its beginning; "" if it is no text
}

// maxText bounds the text of a message that is shown, in bytes.
const maxText = 2 << 10

// messages shows what a session retains, after the number in the query "after".
func (h *handler) messages(w http.ResponseWriter, r *http.Request) {
	switch {
	case !h.o.ShowMessages:
		refuse(w, http.StatusForbidden, "messages are not shown: set inspect.Options.ShowMessages to show them")
		return
	case h.store == nil:
		refuse(w, http.StatusNotImplemented, "this store does not show its messages")
		return
	}
	id, ok := h.find(r, r.PathValue("key"))
	if !ok {
		refuse(w, http.StatusNotFound, "no session of this name")
		return
	}

	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 53)
	entries, err := h.store.SessionMessages(r.Context(), id, after, 100)
	if err != nil {
		refuse(w, http.StatusNotFound, "no messages: "+session.Reason(err))
		return
	}
	all := []message{}
	for _, e := range entries {
		if e.Message == nil {
			continue
		}
		m := message{Number: e.Seq, Reader: e.Reader, Event: e.Message.Event, Key: e.Message.Key,
			Bytes: len(e.Message.Data)}
		if text := e.Message.Data[:min(len(e.Message.Data), maxText)]; utf8.Valid(e.Message.Data) {
			m.Text = string(text)
		}
		all = append(all, m)
	}
	answer(w, map[string]any{"messages": all})
}
