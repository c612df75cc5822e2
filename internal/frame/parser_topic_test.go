package frame_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// topicStreams is the table of M4, for the fields of topics. mirage.js is tested with it.
var topicStreams = []struct {
	name   string
	stream string
	want   []got
	lastID string
}{
	{name: "topic and key", stream: "topic: room:7\nkey: k\ndata: a\n\ndata: b\n\n",
		want: []got{{Topic: "room:7", Key: "k", Data: "a"}, {Data: "b"}}},
	{name: "the same topic again", stream: "topic: t\nkey: k\ndata: a\n\ndata: b\n\ntopic: t\nkey: k\ndata: c\n\n",
		want: []got{{Topic: "t", Key: "k", Data: "a"}, {Data: "b"}, {Topic: "t", Key: "k", Data: "c"}}},
	{name: "the last topic and key count", stream: "topic: t\ntopic: u\nkey: k\nkey: l\ndata: a\n\n" +
		"topic: t\ntopic\nkey: k\nkey:\ndata: b\n\n",
		want: []got{{Topic: "u", Key: "l", Data: "a"}, {Data: "b"}}},
	{name: "a key with spaces and colons", stream: "key:  a: b \ndata: c\n\n", want: []got{{Key: " a: b ", Data: "c"}}},
	{name: "all fields of a growing message",
		stream: "topic: room:7\nevent: answer\nkey: k\ngrow: 70\ndone: true\ndata: a\ndata: b\nid: _k3j9x0a1b2-17\n\n",
		want: []got{{ID: "_k3j9x0a1b2-17", HasID: true, Topic: "room:7", Name: "answer", Key: "k", Data: "a\nb",
			Grow: "70", Done: true}},
		lastID: "_k3j9x0a1b2-17"},
	{name: "read whole, without an id", stream: "data: a\nid: 1-1\n\nkey: k\ngrow: 0\ndata: b\n\n", lastID: "1-1",
		want: []got{{ID: "1-1", HasID: true, Data: "a"}, {ID: "1-1", Key: "k", Grow: "0", Data: "b"}}},
	{name: "the fields end with the block", stream: "topic: t\nkey: k\ngrow: 5\ndone: true\n\ndata: a\n\n",
		want: []got{{Data: "a"}}},
	{name: "an empty last piece", stream: "key: k\ngrow: 5\ndone: true\ndata: \n\n",
		want: []got{{Key: "k", Grow: "5", Done: true}}},
	{name: "the last offset counts", stream: "grow: x\ngrow: 5\ndata: a\n\n", want: []got{{Grow: "5", Data: "a"}}},
	{name: "the highest offset", stream: "grow: 9007199254740991\ndata: a\n\n",
		want: []got{{Grow: "9007199254740991", Data: "a"}}},
	{name: "done is true or nothing",
		stream: "done: yes\ndata: a\n\ndone\ndata: b\n\ndone: true\ndone: false\ndata: c\n\n",
		want:   []got{{Data: "a"}, {Data: "b"}, {Data: "c"}}},
	{name: "an offset that is not a number, without data", stream: "grow: x\n\ndata: a\n\n", want: []got{{Data: "a"}}},
	{name: "encoded", stream: "topic: t\nkey: k\ngrow: 3\nencoding: base64\ndata: YQ0=\n\n",
		want: []got{{Topic: "t", Key: "k", Grow: "3", Data: "a\r"}}},
}

// M4: the fields of topics are parsed in pieces of every size.
func TestM4Parser(t *testing.T) {
	for _, tt := range topicStreams {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.stream)+1; size++ {
				events, p, err := parse(t, 1000, inPieces([]byte(tt.stream), size)...)
				if err != nil || !slices.Equal(events, tt.want) || p.LastID() != tt.lastID {
					t.Fatalf("in pieces of %d: error %v, last id %q\ngot  %+v\nwant %+v",
						size, err, p.LastID(), events, tt.want)
				}
			}
		})
	}
}

// M2: a client that cannot read the offset of a piece must not put it anywhere: it gets
// an error, and does not move past the piece.
func TestM2UnreadableOffset(t *testing.T) {
	for _, grow := range []string{
		"", "x", "-1", "+1", "1.0", "1e3", "0x1", "01", " 1", "1 ", "9007199254740992", "99999999999999999999",
	} {
		events, p, err := parse(t, 100, []byte("id: 1\n\ngrow: "+grow+"\ndata: a\nid: 2\n\n"))
		if err != frame.ErrEncoding || len(events) != 0 || p.LastID() != "1" {
			t.Errorf("%q: %d events, error %v, last id %q", grow, len(events), err, p.LastID())
		}
	}
}

// M4: Reset forgets the block that was begun.
func TestM4Reset(t *testing.T) {
	p := frame.NewParser(100)
	p.Feed([]byte("topic: t\nkey: k\ngrow: 5\ndone: true\n"))
	p.Next()
	p.Reset()
	p.Feed([]byte("data: a\n\n"))
	if e, ok, err := p.Next(); err != nil || !ok || gotOf(e) != (got{Data: "a"}) {
		t.Errorf("%+v, %v, %v", e, ok, err)
	}
}

// T4: the longest ids and names have room beside the largest payload.
func TestT4LongIDs(t *testing.T) {
	const largest = 10 << 10
	id := strings.Repeat("_k3j9x0a1b2-9007199254740991", 100)[:512]
	name := strings.Repeat("t", store.MaxTopic)
	m := store.Message{Event: name, Key: name, Data: []byte(strings.Repeat("\r", largest))}
	e := store.TopicEntry{Message: &m, Grows: true, Offset: 1 << 30, Done: true}
	block := frame.AppendTopicEntry(nil, name, &e, []byte(id), true)
	events, _, err := parse(t, largest, inPieces(block, 100)...)
	want := got{
		ID: id, HasID: true, Name: name, Data: string(m.Data),
		Topic: name, Key: name, Grow: "1073741824", Done: true,
	}
	if err != nil || len(events) != 1 || events[0] != want {
		t.Errorf("%d events, error %v", len(events), err)
	}

	// hello echoes the positions of a query, which may be longer
	suffix := strings.Repeat("_k3j9x0a1b2-9007199254740991", 100)[:store.MaxPositions]
	hello := frame.Hello{Reason: strings.Repeat("r", 3000)}
	block = frame.AppendHello(nil, pos, 0, &hello, []byte(suffix))
	if events, p, err := parse(t, 10, inPieces(block, 100)...); err != nil || len(events) != 1 ||
		p.LastID() != pos.String()+suffix {
		t.Errorf("hello: %d events, error %v", len(events), err)
	}
}
