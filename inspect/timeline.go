package inspect

import (
	"slices"

	"github.com/mirage-go/mirage/session"
)

// A mark is one thing in the time-line of a session, or several of one kind that followed
// one another. Its JSON is that of the twin.
type mark struct {
	At        int64  `json:"at"`    // in milliseconds since 1970
	Until     int64  `json:"until"` // of the last of several
	Kind      string `json:"kind"`  // that of the session.Event
	Reader    string `json:"reader,omitempty"`
	Link      uint64 `json:"link,string,omitempty"`
	Transport string `json:"transport,omitempty"`
	Topic     string `json:"topic,omitempty"`
	Hook      string `json:"hook,omitempty"`
	Reason    string `json:"reason,omitempty"`
	From      uint64 `json:"from,omitempty"`
	To        uint64 `json:"to,omitempty"`
	Messages  int    `json:"messages,omitempty"`
	Again     int    `json:"again,omitempty"`
	Bytes     int64  `json:"bytes,omitempty"`
	Took      int64  `json:"took,omitempty"` // the longest of them, in milliseconds
}

// joinWithin is how soon an event must follow one of its kind to become part of its mark,
// and markSpan how long such a mark lasts at most; both in milliseconds.
const joinWithin, markSpan = 2_000, 20_000

func newMark(at int64, e *session.Event) mark {
	m := mark{
		At: at, Until: at, Kind: e.Kind.String(), Reader: e.Reader, Link: e.Link, Transport: e.Transport,
		Topic: e.Topic,
		Hook:  e.Hook, Reason: e.Reason, From: e.From, To: e.To, Messages: e.Messages, Again: e.Again, Bytes: e.Bytes,
		Took: e.Duration.Milliseconds(),
	}
	if e.Kind == session.EventAppended {
		m.Messages = 1
	}
	return m
}

// joins reports whether an event continues the mark: messages of one link, in one
// direction.
func (m *mark) joins(at int64, e *session.Event) bool {
	switch e.Kind {
	case session.EventAppended, session.EventSent, session.EventSkipped, session.EventAcked, session.EventHandled:
	default:
		return false
	}
	return m.Kind == e.Kind.String() && m.Reader == e.Reader && m.Link == e.Link && m.Topic == e.Topic &&
		m.Reason == e.Reason && at-m.Until <= joinWithin && at-m.At <= markSpan
}

// extend adds an event to the mark that it joins.
func (m *mark) extend(at int64, e *session.Event) {
	m.Until = at
	if m.From == 0 {
		m.From = m.To
	}
	m.To = max(m.To, e.To)
	m.Messages += e.Messages
	if e.Kind == session.EventAppended {
		m.Messages++
	}
	m.Again += e.Again
	m.Bytes += e.Bytes
	m.Took = max(m.Took, e.Duration.Milliseconds())
}

// A track is the time-line of one session.
type track struct {
	id      string
	updated int64
	ended   string // the reason of its end; "" while it lives
	lost    uint64 // gaps that its readers were told of
	marks   []mark // the oldest at first, which is the first one until the ring is full
	first   int
}

// lookBack is how many marks are looked at for the one that an event continues.
const lookBack = 6

// add adds an event to a track of at most size marks.
func (t *track) add(at int64, size int, e *session.Event) {
	t.updated = at
	switch e.Kind {
	case session.EventSessionOpened:
		t.ended = ""
	case session.EventSessionEnded:
		t.ended = e.Reason
	case session.EventLost:
		t.lost++
	}

	for n := range min(lookBack, len(t.marks)) {
		m := &t.marks[(t.first+len(t.marks)-1-n)%len(t.marks)]
		if m.joins(at, e) {
			m.extend(at, e)
			return
		}
	}
	if len(t.marks) < size {
		t.marks = append(t.marks, newMark(at, e))
		return
	}
	t.marks[t.first] = newMark(at, e)
	t.first = (t.first + 1) % size
}

// all returns the marks, the oldest first.
func (t *track) all() []mark {
	return slices.Concat(t.marks[t.first:], t.marks[:t.first])
}
