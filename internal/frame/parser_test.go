package frame_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
)

// streams is the table of W1, for the interpretation of WHATWG HTML §9.2.6. Most rows
// come from the web platform tests (eventsource/format-*).
var streams = []struct {
	name   string
	stream string
	want   []got
	lastID string
}{
	{name: "nothing"},
	{name: "one", stream: "data: a\n\n", want: []got{{Data: "a"}}},
	{name: "lines", stream: "data: a\ndata: b\n\n", want: []got{{Data: "a\nb"}}},
	{name: "no space, one space, two spaces", stream: "data:a\n\ndata: a\n\ndata:  a\n\n",
		want: []got{{Data: "a"}, {Data: "a"}, {Data: " a"}}},
	{name: "a tab is no space", stream: "data:\ta\n\n", want: []got{{Data: "\ta"}}},
	{name: "empty data", stream: "data\n\ndata:\n\ndata: \n\n", want: []got{{}, {}, {}}},
	{name: "two empty lines of data", stream: "data\ndata\n\n", want: []got{{Data: "\n"}}},
	{name: "no data, no event", stream: "event: a\n\ndata: b\n\n", want: []got{{Data: "b"}}},
	{name: "CR", stream: "data: a\rdata: b\r\r", want: []got{{Data: "a\nb"}}},
	{name: "CRLF", stream: "data: a\r\ndata: b\r\n\r\n", want: []got{{Data: "a\nb"}}},
	{name: "mixed ends", stream: "data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r",
		want: []got{{Data: "a\nb\nc"}, {Data: "d"}}},
	{name: "BOM", stream: "\uFEFFdata: a\n\n", want: []got{{Data: "a"}}},
	{name: "second BOM is part of the field's name", stream: "\uFEFF\uFEFFdata: a\n\ndata: b\n\n",
		want: []got{{Data: "b"}}},
	{name: "BOM later", stream: "data: a\n\n\uFEFFdata: b\n\ndata: \uFEFF\n\n",
		want: []got{{Data: "a"}, {Data: "\uFEFF"}}},
	{name: "comments", stream: ":\n: a\ndata: b\n:data: c\n\n:\n\n", want: []got{{Data: "b"}}},
	{name: "unknown fields", stream: "data: a\nDATA: b\n data: c\nfoo: d\nfoo\n\n", want: []got{{Data: "a"}}},
	{name: "name", stream: "event: x\ndata: a\n\ndata: b\n\n", want: []got{{Name: "x", Data: "a"}, {Data: "b"}}},
	{name: "last name counts", stream: "event: x\nevent: y\ndata: a\n\nevent: x\nevent\ndata: b\n\n",
		want: []got{{Name: "y", Data: "a"}, {Data: "b"}}},
	{name: "message is unnamed", stream: "event: message\ndata: a\n\n", want: []got{{Data: "a"}}},
	{name: "id stays", stream: "id: 1\ndata: a\n\ndata: b\n\n", lastID: "1",
		want: []got{{ID: "1", HasID: true, Data: "a"}, {ID: "1", Data: "b"}}},
	{name: "id last", stream: "event: x\ndata: a\nid: 1\n\ndata: b\nid: 2\n\n", lastID: "2",
		want: []got{{ID: "1", HasID: true, Name: "x", Data: "a"}, {ID: "2", HasID: true, Data: "b"}}},
	{name: "id between", stream: "data: a\nid: 1\nevent: x\ndata: b\n\n", lastID: "1",
		want: []got{{ID: "1", HasID: true, Name: "x", Data: "a\nb"}}},
	{name: "incomplete block with its id", stream: "data: a\nid: 1\n\ndata: b\nid: 2\n", lastID: "1",
		want: []got{{ID: "1", HasID: true, Data: "a"}}},
	{name: "id alone", stream: "id: 1\n\ndata: a\n\nid: 2\n\n", lastID: "2", want: []got{{ID: "1", Data: "a"}}},
	{name: "empty id", stream: "id: 1\ndata: a\n\nid\ndata: b\n\n",
		want: []got{{ID: "1", HasID: true, Data: "a"}, {HasID: true, Data: "b"}}},
	{name: "id with NUL", stream: "id: 1\n\nid: 2\x003\ndata: a\n\n", lastID: "1", want: []got{{ID: "1", Data: "a"}}},
	{name: "incomplete block", stream: "id: 1\ndata: a\n\nid: 2\ndata: b\n", lastID: "1",
		want: []got{{ID: "1", HasID: true, Data: "a"}}},
	{name: "incomplete line", stream: "id: 1\ndata: a\n\nid: 2", lastID: "1",
		want: []got{{ID: "1", HasID: true, Data: "a"}}},
	{name: "NUL in data", stream: "data: \x00\n\n", want: []got{{Data: "\x00"}}},
	{name: "base64", stream: "encoding: base64\ndata: AAECDQo=\n\ndata: AAECDQo=\n\n",
		want: []got{{Data: "\x00\x01\x02\r\n"}, {Data: "AAECDQo="}}},
	{name: "base64 in lines", stream: "encoding: base64\ndata: AAEC\ndata: DQo=\n\n",
		want: []got{{Data: "\x00\x01\x02\r\n"}}},
	{name: "base64 of nothing", stream: "encoding: base64\ntype: binary\ndata: \n\n", want: []got{{Binary: true}}},
	{name: "binary", stream: "type: binary\nencoding: base64\ndata: AA==\n\n",
		want: []got{{Data: "\x00", Binary: true}}},
	{name: "unknown type", stream: "type: image\ndata: a\n\n", want: []got{{Data: "a"}}},
	{name: "letters of several bytes", stream: "event: é\ndata: 日本 🎉\u2028\n\n",
		want: []got{{Name: "é", Data: "日本 🎉\u2028"}}},
	{name: "text in base64 keeps its BOM", stream: "encoding: base64\ndata: 77u/DQ==\n\n",
		want: []got{{Data: "\uFEFF\r"}}},
	{name: "fields that objects have", stream: "__proto__: a\nconstructor: b\ndata: c\n\n", want: []got{{Data: "c"}}},
}

// W1: streams are parsed in pieces of every size.
func TestParser(t *testing.T) {
	for _, tt := range streams {
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

func TestRetry(t *testing.T) {
	for stream, want := range map[string]time.Duration{
		"retry: 1500\n":              1500 * time.Millisecond,
		"retry:0\n":                  0,
		"retry: 1500":                -1, // the line is incomplete
		"retry: 1500\nretry: 2000\n": 2 * time.Second,
		"retry: 10\nretry: 1s\n":     10 * time.Millisecond,
		"retry: 10\nretry: -1\n":     10 * time.Millisecond,
		"retry: 10\nretry: +1\n":     10 * time.Millisecond,
		"retry: 10\nretry\n":         10 * time.Millisecond,
		"retry: 99999999999999\n":    -1, // too large for a Duration
	} {
		_, p, _ := parse(t, 100, []byte(stream))
		if d, ok := p.Retry(); ok != (want >= 0) || ok && d != want {
			t.Errorf("%q: %v, %v, want %v", stream, d, ok, want)
		}
	}
}

func TestParserErrors(t *testing.T) {
	const largest = 100
	long := strings.Repeat("a", 10_000)

	for _, tt := range []struct {
		name   string
		stream string
		want   error
	}{
		{"as large as allowed", "data: " + long[:largest] + "\n\n", nil},
		{"too large", "data: " + long[:largest+1] + "\n\n", frame.ErrTooLarge},
		{"base64 as large as allowed", "encoding: base64\ndata: " + strings.Repeat("AAAA", 33) + "AA==\n\n", nil},
		{"base64 too large", "encoding: base64\ndata: " + strings.Repeat("AAAA", 34) + "\n\n", frame.ErrTooLarge},
		{"control event", "event: mirage\ndata: " + long[:4<<10] + "\n\n", nil},
		{"control event too large", "event: mirage\ndata: " + long[:4<<10+1] + "\n\n", frame.ErrTooLarge},
		{"line without an end", "data: " + long, frame.ErrTooLarge},
		{"lines without an end", strings.Repeat("data: a\n", 10_000), frame.ErrTooLarge},
		{"comment without an end", ":" + long, frame.ErrTooLarge},
		{"comments without an end", strings.Repeat(":\n", 10_000), nil},
		{"not base64", "encoding: base64\ndata: a$==\n\n", frame.ErrEncoding},
		{"base64 without padding", "encoding: base64\ndata: AA\n\n", frame.ErrEncoding},
		{"unknown encoding", "encoding: rot13\ndata: a\n\n", frame.ErrEncoding},
		{"unknown encoding of nothing", "encoding: rot13\n\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{1, 5, len(tt.stream) + 100} {
				events, p, err := parse(t, largest,
					inPieces([]byte("id: 1\n\nid: 2\n"+tt.stream+"data: next\n\n"), size)...)
				if err != tt.want || err != nil && len(events) != 0 {
					t.Fatalf("in pieces of %d: %d events, error %v, want %v", size, len(events), err, tt.want)
				}

				if err != nil && p.LastID() != "1" {
					t.Errorf("the event moved the last id to %q", p.LastID())
				}
				if err != nil { // is final
					p.Feed([]byte("data: later\n\n"))
					if _, ok, again := p.Next(); ok || again != err {
						t.Errorf("after the error: %v, %v", ok, again)
					}
				}
			}
		})
	}
}

func TestFeedTooEarly(t *testing.T) {
	p := frame.NewParser(100)
	p.Feed([]byte("data: a\n\ndata: b\n\n"))
	p.Next()
	defer func() {
		if recover() == nil {
			t.Error("Feed did not panic")
		}
	}()
	p.Feed([]byte("data: c\n\n"))
}

func TestAll(t *testing.T) {
	broken := errors.New("broken")
	const stream = "data: a\n\nevent: x\ndata: b\n\ndata: incomplete"

	for name, tt := range map[string]struct {
		r    io.Reader
		want error
	}{
		"whole":           {strings.NewReader(stream), nil},
		"byte by byte":    {iotest.OneByteReader(strings.NewReader(stream)), nil},
		"data with error": {iotest.DataErrReader(strings.NewReader(stream)), nil},
		"broken":          {io.MultiReader(strings.NewReader(stream), iotest.ErrReader(broken)), broken},
		"not readable": {strings.NewReader("data: a\n\ndata: b\n\nencoding: rot13\ndata: c\n\ndata: d\n\n"),
			frame.ErrEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			var data []string
			var last error
			for e, err := range frame.NewParser(100).All(tt.r) {
				if last = err; err == nil {
					data = append(data, string(e.Data))
				}
			}

			if !slices.Equal(data, []string{"a", "b"}) || last != tt.want {
				t.Errorf("got %q, error %v", data, last)
			}
		})
	}
}

// W6: blocks that make no event are counted, wherever a chunk ends. Blank lines and
// comments are not blocks.
func TestW6Skipped(t *testing.T) {
	for stream, want := range map[string]int{
		"":                                    0,
		"data: a\n\n\n\n":                     0,
		"data\nid: 1\n\n":                     0,
		": comment\n\n:\n\n":                  0,
		"id: 1\n\n":                           1,
		"event: x\n\ndata: a\n\nretry: 1\n\n": 2,
		"unknown\n: comment\n\n":              1,
		"id: 1\n":                             0, // incomplete
	} {
		for size := 1; size <= len(stream)+1; size++ {
			if _, p, err := parse(t, 100, inPieces([]byte(stream), size)...); err != nil || p.Skipped() != want {
				t.Errorf("%q in pieces of %d: %d, error %v, want %d", stream, size, p.Skipped(), err, want)
			}
		}
	}
}

// C1: a client may ask for blocks that only move its position. Their data is nil, and
// that of a message is not, even if it is empty.
func TestC1Moves(t *testing.T) {
	p := frame.NewParser(100)
	p.ReturnMoves()
	p.Feed([]byte("id: a-1\n\nid: _b-1\n\ndata\nid: a-2\n\n" +
		"encoding: base64\ndata\n\nevent: x\n\nid: a-3\n\nid: a-4\n"))
	var got []string
	for {
		e, ok, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, fmt.Sprint(e.ID, " ", e.HasID, " ", e.Data == nil))
	}
	want := []string{"a-1 true true", "_b-1 true true", "a-2 true false", "a-2 false false", "a-3 true true"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
