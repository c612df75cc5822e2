package frame_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

var pos = store.Position{Epoch: 0x123456789abcdef0, Seq: 42}

// got is a copy of an event that outlives its parser's buffer.
type got struct {
	ID, Name, Data string
	HasID, Binary  bool
	Topic, Key     string
	Grow           string // "" for -1
	Done           bool
}

func gotOf(e frame.Event) got {
	g := got{e.ID, e.Name, string(e.Data), e.HasID, e.Binary, e.Topic, e.Key, "", e.Done}
	if e.Grow != -1 {
		g.Grow = strconv.FormatInt(e.Grow, 10)
	}
	return g
}

// parse feeds the pieces of a stream to one parser and returns its results.
func parse(t testing.TB, largest int, pieces ...[]byte) ([]got, *frame.Parser, error) {
	t.Helper()
	p := frame.NewParser(largest)
	var events []got
	for _, piece := range pieces {
		p.Feed(piece)
		for {
			e, ok, err := p.Next()
			if err != nil {
				return events, p, err
			}
			if !ok {
				break
			}
			events = append(events, gotOf(e))
		}
	}
	return events, p, nil
}

// inPieces cuts text into pieces of n bytes.
func inPieces(text []byte, n int) [][]byte { return slices.Collect(slices.Chunk(text, n)) }

// payloads is the table of W4. If text is set, SSE carries the payload unchanged as text,
// so that every client gets the same bytes.
var payloads = []struct {
	name   string
	data   string
	binary bool
	text   bool
}{
	{name: "plain", data: `{"a":1}`, text: true},
	{name: "empty", text: true},
	{name: "LF", data: "a\nb", text: true},
	{name: "LF alone", data: "\n", text: true},
	{name: "LF at both ends", data: "\n\na\n\n", text: true},
	{name: "CR", data: "a\rb"},
	{name: "CRLF", data: "a\r\nb\r\n"},
	{name: "NUL", data: "a\x00b"},
	{name: "leading space", data: " a", text: true},
	{name: "leading spaces on each line", data: "  a\n  b\n ", text: true},
	{name: "trailing space", data: "a ", text: true},
	{name: "colon", data: ":a:b: c", text: true},
	{name: "field names", data: "id: 7\nevent: mirage-end\ndata: x\nretry: 1\n\nid", text: true},
	{name: "BOM", data: "\uFEFFa", text: true},
	{name: "BOM alone", data: "\uFEFF", text: true},
	{name: "line and paragraph separators", data: "a\u2028b\u2029c\u0085d", text: true},
	{name: "control characters", data: "\x01\x02\t\v\f\x1b\x7f", text: true},
	{name: "beyond the BMP", data: "𝕄irage 🏝", text: true},
	{name: "noncharacters", data: "\uFFFD\uFFFE\uFFFF", text: true},
	{name: "invalid UTF-8", data: "a\xff\xfeb\xc3"},
	{name: "surrogate halves", data: "\xed\xa0\x80"},
	{name: "text marked binary", data: "text", binary: true},
	{name: "empty binary", binary: true},
	{name: "all bytes", data: allBytes(), binary: true},
	{name: "1 MB of text", data: strings.Repeat("0123456789abcde\n", 1<<16), text: true},
	{name: "1 MB in one line", data: strings.Repeat("0123456789abcdef", 1<<16), text: true},
	{name: "1 MB of bytes", data: strings.Repeat(allBytes(), 1<<12), binary: true},
}

func allBytes() string {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	return string(b[:])
}

// W4: every payload arrives byte-identical, with chunks of every size, and none breaks
// out of its field.
func TestFidelity(t *testing.T) {
	for _, tt := range payloads {
		t.Run(tt.name, func(t *testing.T) {
			m := store.Message{Event: "e", Data: []byte(tt.data), Binary: tt.binary}
			block := frame.AppendMessage(nil, pos, &m)
			if text := !bytes.Contains(block, []byte("\nencoding: base64\n")); text != tt.text {
				t.Errorf("as text = %v, want %v", text, tt.text)
			}
			want := []got{{ID: pos.String(), HasID: true, Name: "e", Data: tt.data, Binary: tt.binary}}
			sizes := []int{1, 2, 3, 7, len(block)}
			if len(block) > 1000 {
				sizes = []int{997, 4096, len(block)}
			}
			for _, size := range sizes {
				events, _, err := parse(t, 1<<20, inPieces(block, size)...)
				if err != nil || !slices.Equal(events, want) {
					t.Fatalf("in pieces of %d: %d events, error %v", size, len(events), err)
				}
			}
		})
	}
}

// W1, W3: the output of the Append functions, byte for byte.
func TestAppendMessage(t *testing.T) {
	p := store.Position{Epoch: 36, Seq: 7}

	for _, tt := range []struct {
		name string
		m    store.Message
		want string
	}{
		{"unnamed", store.Text("hi"), "data: hi\nid: 10-7\n\n"},
		{"message", store.Message{Event: "message", Data: []byte("hi")}, "data: hi\nid: 10-7\n\n"},
		{"named", store.Message{Event: "chat", Data: []byte("hi")}, "event: chat\ndata: hi\nid: 10-7\n\n"},
		{"empty", store.Message{}, "data: \nid: 10-7\n\n"},
		{"lines", store.Text("a\n\n b"), "data: a\ndata: \ndata:  b\nid: 10-7\n\n"},
		{"CR", store.Text("a\rb"), "encoding: base64\ndata: YQ1i\nid: 10-7\n\n"},
		{"binary", store.Message{Event: "b", Data: []byte{1}, Binary: true},
			"event: b\nencoding: base64\ntype: binary\ndata: AQ==\nid: 10-7\n\n"},
		{"name with a line break", store.Message{Event: "a\ndata: x", Data: []byte("hi")},
			"event: \uFFFD\ndata: hi\nid: 10-7\n\n"},
		{"name with a CR", store.Message{Event: "a\rdata: x", Data: []byte("hi")},
			"event: \uFFFD\ndata: hi\nid: 10-7\n\n"},
		{"name that is too long", store.Message{Event: strings.Repeat("e", store.MaxEvent+1)},
			"event: \uFFFD\ndata: \nid: 10-7\n\n"},
		{"name of a control event", store.Message{Event: "mirage-end", Data: []byte("{}")},
			"event: \uFFFD\ndata: {}\nid: 10-7\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(frame.AppendMessage([]byte("before "), p, &tt.m)); got != "before "+tt.want {
				t.Errorf("got  %q\nwant %q", got, "before "+tt.want)
			}
		})
	}
}

// W2: an upstream batch is its head and messages with their numbers.
func TestAppendUpstream(t *testing.T) {
	chat, raw := store.Message{Event: "chat", Data: []byte("hi")}, store.Message{Data: []byte{0xff}, Binary: true}
	body := frame.AppendUp(nil, frame.Up{Writer: "w", Base: 9})
	body = frame.AppendUpstream(body, 9, &chat)
	body = frame.AppendUpstream(body, 10, &raw)
	const want = "event: mirage-up\n" + `data: {"writer":"w","base":9,"ack":"","again":false}` + "\n\n" +
		"event: chat\ndata: hi\nid: 9\n\n" +
		"encoding: base64\ntype: binary\ndata: /w==\nid: 10\n\n"
	if string(body) != want {
		t.Errorf("got  %q\nwant %q", body, want)
	}
	events, _, err := parse(t, 100, body)
	read := []got{{Name: frame.EventUp, Data: `{"writer":"w","base":9,"ack":"","again":false}`},
		{ID: "9", HasID: true, Name: "chat", Data: "hi"}, {ID: "10", HasID: true, Data: "\xff", Binary: true}}
	if err != nil || !slices.Equal(events, read) {
		t.Errorf("read %+v, error %v", events, err)
	}
}

// D1: an id line alone moves the position and is not an event.
func TestAppendID(t *testing.T) {
	events, p, err := parse(t, 100, frame.AppendBeat(frame.AppendID(nil, pos)))
	if len(events) != 0 || err != nil || p.LastID() != pos.String() || p.Comments() != 1 {
		t.Errorf("events %v, error %v, last id %q, comments %d", events, err, p.LastID(), p.Comments())
	}
}

// P1: the Append functions allocate nothing while the buffer has room.
func TestNoAllocations(t *testing.T) {
	dst := make([]byte, 0, 4096)
	hello := &frame.Hello{ID: "0123456789abcdef", Lost: &frame.Range{From: 1}}
	text := &store.Message{Event: "chat", Data: []byte(strings.Repeat("a line\n", 30))}
	bin := &store.Message{Data: []byte(allBytes()), Binary: true}
	piece := &store.TopicEntry{Message: &store.Message{Key: "k", Data: []byte("piece")}, Grows: true, Offset: 70000}
	id, lost := []byte("1-17_k3j9x0a1b2-17"), &frame.Range{From: 3}
	members := []frame.Member{{Key: "a", Info: []byte(`{"name":"anna"}`)}, {Key: "b"}}
	topics := []string{"room:7", "doc:1"}
	all := &frame.Members{Topic: "t", All: true, Members: members}
	changes := &frame.Members{Topic: "t", Joined: members, Left: topics}
	refused := &frame.Left{Topic: "room:7", Status: 429, Retry: 2000}
	for name, f := range map[string]func(){
		"AppendMessage":         func() { frame.AppendMessage(dst, pos, text) },
		"AppendMessage binary":  func() { frame.AppendMessage(dst, pos, bin) },
		"AppendUpstream":        func() { frame.AppendUpstream(dst, 7, text) },
		"AppendID":              func() { frame.AppendID(dst, pos) },
		"AppendAck":             func() { frame.AppendAck(dst, 7) },
		"AppendHello":           func() { frame.AppendHello(dst, pos, 1e9, hello, nil) },
		"AppendHelloAndGap":     func() { frame.AppendHelloAndGap(dst, pos, 1e9, hello, nil) },
		"AppendGap":             func() { frame.AppendGap(dst, frame.Range{From: 3}, pos, "trimmed", nil) },
		"AppendUp":              func() { frame.AppendUp(dst, frame.Up{Writer: "w"}) },
		"AppendTopicEntry":      func() { frame.AppendTopicEntry(dst, "room:7", piece, id, true) },
		"AppendTopicGap":        func() { frame.AppendTopicGap(dst, "room:7", store.Lost{From: 3}, "trimmed", id) },
		"AppendJoined":          func() { frame.AppendJoined(dst, &frame.Joined{Topic: "room:7", Lost: lost}, id) },
		"AppendLeft":            func() { frame.AppendLeft(dst, refused, id) },
		"AppendMembers":         func() { frame.AppendMembers(dst, all) },
		"AppendMembers changes": func() { frame.AppendMembers(dst, changes) },
		"AppendLeave":           func() { frame.AppendLeave(dst, &frame.Leave{Topics: topics}) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}
