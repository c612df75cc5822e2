package topicmodel

import (
	"maps"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

// MaxBlock is the largest part of a growing message in one entry, in bytes, unless a
// single piece is larger.
const MaxBlock = 64 << 10

// A Reader checks what is read with one cursor.
type Reader struct {
	Cursor store.TopicCursor
	Client *Client
	log    *Log
	// at is the place up to which everything came, as far as the entries say.
	at    uint64
	start bool // it begins at the start of the topic, and has read nothing
	whole bool // growing messages may come whole
	// A gap has come. Until it has the growing messages that follow it, the client is
	// not told that it is beyond the gap.
	afterGap bool

	has  map[*Message]int
	done map[*Message]bool
}

// NewReader returns a reader that begins at pos as begin says. client is what it reads
// for; nil for a new one.
func NewReader(l *Log, pos store.TopicPosition, begin store.Begin, client *Client) *Reader {
	r := &Reader{
		Cursor: store.TopicCursor{At: pos, Begin: begin}, Client: client, log: l, at: pos.Seq,
		start: begin == store.BeginStart || pos.Epoch == 0, whole: begin != store.BeginAfter,
		has: make(map[*Message]int), done: make(map[*Message]bool),
	}
	switch {
	case client != nil:
	case begin == store.BeginAfter && !r.start:
		r.Client = NewClient(l, pos.Seq)
	default:
		r.Client = newcomer(l, pos.Seq)
	}
	if !r.whole {
		r.hasUpTo(pos.Seq)
	}
	return r
}

// hasUpTo records that the reader has all pieces up to seq.
func (r *Reader) hasUpTo(seq uint64) {
	for _, m := range r.log.All {
		r.has[m], r.done[m] = m.upTo(seq)
	}
}

// Copy returns a copy of the cursor that reads the same.
func (r *Reader) Copy() store.TopicCursor {
	c := r.Cursor
	c.Ahead = maps.Clone(c.Ahead)
	return c
}

// Begin is called before each Read, when the log's Base is known.
func (r *Reader) Begin() {
	if !r.start {
		return
	}
	r.start, r.at, r.whole = false, r.log.Base, true
	if !r.Client.Reached {
		r.Client.since = r.at
	}
}

// Get checks one entry, which the client gets.
func (r *Reader) Get(t TB, e *store.TopicEntry) {
	t.Helper()
	switch {
	case e.Message == nil:
		r.gap(t, e)
		return
	case r.at < r.log.Base:
		t.Fatalf("an entry after %d without the gap up to %d", r.at, r.log.Base)
	case e.Seq != 0 && (e.Seq <= r.at || e.Seq > r.log.Top):
		t.Fatalf("the number %d after %d; the top is %d", e.Seq, r.at, r.log.Top)
	case !e.Lost.IsZero() || e.Reason != "":
		t.Fatalf("a message with a gap: %+v", e)
	}

	if e.Grows {
		r.piece(t, e)
	} else {
		r.message(t, e)
	}
	if e.Seq != 0 {
		r.at, r.whole, r.afterGap = e.Seq, false, false
		r.Client.Reach(t, e.Seq)
	}
}

func (r *Reader) gap(t TB, e *store.TopicEntry) {
	t.Helper()
	want := store.Lost{From: r.at + 1, To: r.log.Base}
	if r.at >= r.log.Base || e.Lost != want || e.Reason != store.MissingTrimmed {
		t.Fatalf("the gap %+v (%s) after %d; the log begins after %d", e.Lost, e.Reason, r.at, r.log.Base)
	}
	if e.Seq != r.log.Base {
		t.Fatalf("the gap from %d to %d moves the reader to %d", r.at+1, r.log.Base, e.Seq)
	}
	r.at, r.whole, r.afterGap = r.log.Base, true, true
	clear(r.has) // growing messages come whole
	clear(r.done)
}

func (r *Reader) message(t TB, e *store.TopicEntry) {
	t.Helper()
	m := r.log.number(e.Seq)
	switch {
	case m == nil || m.Grows:
		t.Fatalf("%d is no whole message, and is read as one", e.Seq)
	case m.Gone != "":
		t.Fatalf("%d is read, and is %s", e.Seq, m.Gone)
	case e.Message.Event != m.Event || e.Message.Key != m.Key || string(e.Message.Data) != string(m.Text):
		t.Fatalf("%d is %+v, not %+v", e.Seq, e.Message, m.Message)
	case e.Offset != 0 || e.Done:
		t.Fatalf("a whole message with an offset: %+v", e)
	}
	r.Client.takeWhole(t, e.Seq, m)
}

func (r *Reader) piece(t TB, e *store.TopicEntry) {
	t.Helper()
	m := r.log.Find(e.Message.Event, e.Message.Key)
	if m == nil || !m.Grows {
		t.Fatalf("a piece of %q, which does not grow", e.Message.Key)
	}
	end := e.Offset + len(e.Message.Data)
	switch {
	case end > len(m.Text) || string(e.Message.Data) != string(m.Text[e.Offset:end]):
		t.Fatalf("%q from %d to %d is another text", m.Key, e.Offset, end)
	case !utf8.Valid(e.Message.Data):
		t.Fatalf("%q from %d to %d is cut within a character", m.Key, e.Offset, end)
	case e.Done != (m.Sealed && end == len(m.Text)):
		t.Fatalf("%q up to %d of %d: done is %v", m.Key, end, len(m.Text), e.Done)
	case e.Done && r.done[m]:
		t.Fatalf("%q is complete once more", m.Key)
	case r.has[m] != e.Offset && !(r.Client.Thinned && e.Offset < r.has[m]):
		t.Fatalf("%q continues at %d, and the reader has %d bytes", m.Key, e.Offset, r.has[m])
	}

	if e.Seq == 0 {
		r.wholePart(t, e, m)
	} else {
		r.numbered(t, e, m)
	}
	r.has[m], r.done[m] = end, e.Done
	r.Client.takePiece(t, e, m)
}

// wholePart checks a part of a growing message that is read whole.
func (r *Reader) wholePart(t TB, e *store.TopicEntry, m *Message) {
	t.Helper()
	switch {
	case !r.whole:
		t.Fatalf("%q is read whole after a number", m.Key)
	case m.Sealed && !(m.First() <= r.at && m.Last() > r.at):
		t.Fatalf("%q is complete, and is read whole by a reader at %d (%v)", m.Key, r.at, m.Pieces)
	case len(e.Message.Data) > MaxBlock:
		t.Fatalf("a block of %d bytes", len(e.Message.Data))
	}
}

// numbered checks a block with a number. The reader lacks nothing with a lower one, and
// the number is as high as that allows.
func (r *Reader) numbered(t TB, e *store.TopicEntry, m *Message) {
	t.Helper()
	end, pieces, before := e.Offset+len(e.Message.Data), 0, 0
	known, ends, empty := false, false, false
	for i, p := range m.Pieces {
		last := m.Sealed && i == len(m.Pieces)-1
		lacks := p.Seq > r.at && (p.End > r.has[m] || last && !r.done[m])
		if lacks && p.Seq < e.Seq && p.End > end && !r.Client.Thinned {
			t.Fatalf("a block of %q has the number %d, and the reader lacks %d", m.Key, e.Seq, p.Seq)
		}
		if lacks && p.End <= end && (p.End > before || last) {
			pieces++
		}
		known, ends = known || p.Seq == e.Seq, ends || p.End == end
		empty = empty || p.Seq == e.Seq && p.End == e.Offset
		before = p.End
	}
	if next := r.next(m); !r.Client.Thinned {
		for _, p := range m.Pieces {
			if p.Seq > e.Seq && p.Seq < next && p.End <= end {
				t.Fatalf("a block of %q has the number %d, and it has the piece %d", m.Key, e.Seq, p.Seq)
			}
		}
	}
	switch {
	case !known:
		t.Fatalf("%d is no piece of %q", e.Seq, m.Key)
	case !ends:
		t.Fatalf("a block of %q ends within a piece", m.Key)
	case pieces == 0 && !empty && !r.Client.Thinned:
		t.Fatalf("a block of %q has nothing new", m.Key)
	case len(e.Message.Data) > MaxBlock && pieces > 1 && !e.Done:
		t.Fatalf("a block of %d bytes for %d pieces", len(e.Message.Data), pieces)
	}
}

// next returns the lowest number that the reader lacks, or may lack, of anything but m.
func (r *Reader) next(m *Message) uint64 {
	low := r.log.Top + 1
	for _, o := range r.log.Live() {
		before := 0
		for i, p := range o.Pieces {
			last := o.Sealed && i == len(o.Pieces)-1
			lacks := !o.Grows || p.End > r.has[o] || p.End == before || last && !r.done[o]
			if o != m && p.Seq > r.at && lacks {
				low = min(low, p.Seq)
			}
			before = p.End
		}
	}
	return low
}

// Batch checks what one Read with room for max bytes has given as a whole.
func (r *Reader) Batch(t TB, entries []store.TopicEntry, more bool, max int) {
	t.Helper()
	sum, messages := 0, 0
	for i := range entries {
		if m := entries[i].Message; m != nil {
			sum += m.Size()
			messages++
		}
		if entries[i].Epoch != r.Cursor.At.Epoch {
			t.Fatalf("an entry of epoch %d in epoch %d", entries[i].Epoch, r.Cursor.At.Epoch)
		}
	}
	if sum > max && messages > 1 {
		t.Fatalf("%d messages of %d bytes, and there was room for %d", messages, sum, max)
	}
	if more && len(entries) == 0 {
		t.Fatalf("there is more, and nothing came")
	}
}

// Given is called when the client has got all that a Read has given.
func (r *Reader) Given(t TB) {
	t.Helper()
	if r.afterGap && r.Cursor.Begin == store.BeginAfter {
		r.afterGap = false
		r.Client.Reach(t, r.at)
	}
}

// End checks a reader, and its client, that have read everything.
func (r *Reader) End(t TB) {
	t.Helper()
	c := r.Cursor
	if c.At.Seq != r.log.Top || c.Begin != store.BeginAfter || c.Ahead != nil || c.Whole != (store.TopicWhole{}) {
		t.Fatalf("everything up to %d was read, and the cursor is %+v", r.log.Top, c)
	}
	if r.at < r.log.Base {
		t.Fatalf("the reader is not told of the gap from %d to %d", r.at+1, r.log.Base)
	}
	r.Client.has(t, r.log.Top)
	r.at, r.whole = r.log.Top, false
	r.hasUpTo(r.log.Top)
}
