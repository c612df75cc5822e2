package topicmodel

import "github.com/mirage-go/mirage/store"

// A Client is what a client has put together of one epoch. It outlives cursors.
type Client struct {
	Reached bool   // it has a position
	At      uint64 // the position's number

	// Thinned says that the log may have forgotten where pieces ended. Then a client may
	// lack a piece that has forgotten its number, and gets it later.
	Thinned bool

	log   *Log
	since uint64 // it is owed what has higher numbers
	got   map[uint64]bool
	texts map[name]*text
}

type name struct{ event, key string }

// text is what a client has of a growing message.
type text struct {
	of   *Message
	data []byte
	done bool
}

// NewClient returns a client that has everything up to seq.
func NewClient(l *Log, seq uint64) *Client {
	c := &Client{
		Reached: true, At: seq, log: l, since: seq, got: make(map[uint64]bool), texts: make(map[name]*text),
	}
	for _, m := range l.All {
		if m.First() > seq || m.Key == "" {
			continue
		}
		delete(c.texts, name{m.Event, m.Key})
		if m.Grows {
			end, done := m.upTo(seq)
			c.texts[name{m.Event, m.Key}] = &text{m, m.Text[:end:end], done}
		}
	}
	return c
}

// newcomer returns a client that has nothing yet, and is owed what has numbers above seq.
func newcomer(l *Log, seq uint64) *Client {
	return &Client{log: l, since: seq, got: make(map[uint64]bool), texts: make(map[name]*text)}
}

// takeWhole takes a whole message.
func (c *Client) takeWhole(t TB, seq uint64, m *Message) {
	t.Helper()
	if c.got[seq] {
		t.Fatalf("the client gets %d again", seq)
	}
	c.got[seq] = true
	if m.Key != "" {
		delete(c.texts, name{m.Event, m.Key})
	}
}

// takePiece puts a growing message together: an overlap is dropped.
func (c *Client) takePiece(t TB, e *store.TopicEntry, m *Message) {
	t.Helper()
	key := name{m.Event, m.Key}
	x := c.texts[key]
	if e.Offset == 0 {
		x = &text{of: m}
		c.texts[key] = x
	}
	if x == nil || x.of != m || e.Offset > len(x.data) {
		t.Fatalf("a piece of %q begins at %d, and the client has %v", m.Key, e.Offset, x)
	}
	if end := e.Offset + len(e.Message.Data); end > len(x.data) {
		x.data = append(x.data[:len(x.data):len(x.data)], e.Message.Data[len(x.data)-e.Offset:]...)
	}
	x.done = x.done || e.Done
}

// Reach records that the client is told that it has come to seq.
func (c *Client) Reach(t TB, seq uint64) {
	t.Helper()
	c.has(t, seq)
	c.Reached, c.At = true, seq
}

// has fails unless the client has everything up to seq that the log retains.
func (c *Client) has(t TB, seq uint64) {
	t.Helper()
	for _, m := range c.log.Live() {
		switch {
		case m.First() > seq, m.Sealed && m.Last() <= c.since:
			continue
		case !m.Grows:
			if !c.got[m.First()] {
				t.Fatalf("the client comes to %d without %d", seq, m.First())
			}
			continue
		}

		end, done := m.upTo(seq)
		if c.Thinned && seq < c.log.Top {
			end, done = 0, false
		}
		x := c.texts[name{m.Event, m.Key}]
		switch {
		case x == nil || x.of != m:
			t.Fatalf("the client comes to %d without the growing message %q (%v)", seq, m.Key, m.Pieces)
		case len(x.data) < end || string(x.data) != string(m.Text[:len(x.data)]):
			t.Fatalf("the client comes to %d with %d bytes of %q, not %d", seq, len(x.data), m.Key, end)
		case done && !x.done:
			t.Fatalf("the client comes to %d and does not know that %q is complete", seq, m.Key)
		}
	}
}
