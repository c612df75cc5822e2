package frame_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// W4: for any message, three parsers see exactly one event with its bytes.
func FuzzRoundTrip(f *testing.F) {
	for _, tt := range payloads {
		if len(tt.data) <= 1000 {
			f.Add("e", []byte(tt.data), tt.binary)
		}
	}
	f.Add("a\ndata: b", []byte("x"), false)
	f.Add("mirage", []byte("{}"), false)
	f.Fuzz(func(t *testing.T, name string, data []byte, binary bool) {
		m := store.Message{Event: name, Data: data, Binary: binary}
		next := store.Text("next")
		block := frame.AppendMessage(nil, pos, &m)
		stream := frame.AppendMessage(slices.Clone(block), store.Position{Epoch: 1, Seq: 1}, &next)

		allowed := store.CheckEvent(name) == nil
		if name == "message" {
			name = ""
		}
		check := func(reader string, events []got, data string) {
			t.Helper()
			if len(events) != 2 || events[1].Data != "next" || events[1].Name != "" || events[1].ID != "1-1" {
				t.Fatalf("%s: %q made %+v", reader, stream, events)
			}
			e := events[0]
			if e.ID != pos.String() || e.Data != data || allowed && e.Name != name ||
				strings.HasPrefix(e.Name, frame.EventHello) {
				t.Fatalf("%s: %q made %+v", reader, stream, e)
			}
		}
		events, _, err := parse(t, len(data)+10, stream)
		if err != nil {
			t.Fatal(err)
		}
		check("frame", events, string(data))
		if events[0].Binary != binary {
			t.Fatalf("%q: binary = %v", stream, events[0].Binary)
		}
		plain := string(data)
		if bytes.Contains(append([]byte("\n"), block...), []byte("\nencoding: base64\n")) {
			plain = base64.StdEncoding.EncodeToString(data)
		}
		for reader, read := range readers {
			check(reader, read(t, stream), plain)
		}
	})
}

// W1: any bytes, in one piece, as single bytes and cut at any place, are parsed as the
// standard says, or give an error at the same event.
func FuzzParser(f *testing.F) {
	f.Add([]byte("\uFEFFid: 1\r\nevent: x\rdata: a\ndata\n\n"+
		"encoding: base64\ndata: AA==\n\n:\n\nretry: 5\ndata: b"), uint16(9))
	f.Add([]byte("data: \xff\x00\r\r\n\ntype: binary\ndata:\n\nencoding: x\ndata: y\n\n"), uint16(3))
	f.Add([]byte(strings.Repeat("data: 0123456789\n", 99)), uint16(500))
	f.Add([]byte("topic: room:7\nkey: k\ngrow: 70\ndone: true\ndata: a\nid: _k3j9x0a1b2-17\n\n"+
		"grow: 07\ndata\n\n"), uint16(20))

	f.Fuzz(func(t *testing.T, stream []byte, at uint16) {
		if len(stream) > 4096 {
			return // tests nothing that a shorter one does not
		}

		const largest = 256
		want, _, wantErr := parse(t, largest, stream)
		cut := min(int(at), len(stream))
		for _, pieces := range [][][]byte{
			inPieces(stream, 1),
			{stream[:cut], stream[cut:]},
			inPieces(stream, max(1, cut)),
		} {
			events, _, err := parse(t, largest, pieces...)
			if !slices.Equal(events, want) || err != wantErr {
				t.Fatalf("in pieces: %+v, error %v; whole: %+v, error %v", events, err, want, wantErr)
			}
		}

		if wantErr == nil {
			if standard, lastID := interpret(stream); !slices.Equal(want, standard) {
				t.Fatalf("got %+v, the standard says %+v", want, standard)
			} else if _, p, _ := parse(t, largest, stream); p.LastID() != lastID {
				t.Fatalf("last id %q, the standard says %q", p.LastID(), lastID)
			}
		}
	})
}

// interpret is WHATWG HTML §9.2.6 word for word, plus our own fields, without regard to
// speed and bounds.
func interpret(stream []byte) (events []got, lastID string) {
	text := strings.TrimPrefix(string(stream), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")

	var data, id, encoding, kind string
	var e got                                   // the fields of the block that need no interpretation
	for _, line := range lines[:len(lines)-1] { // the last one has no end
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "":
			if lastID = id; data != "" {
				data = strings.TrimSuffix(data, "\n")
				if encoding == "base64" {
					decoded, _ := base64.StdEncoding.DecodeString(data)
					data = string(decoded)
				}
				if e.Name == "message" {
					e.Name = ""
				}
				e.ID, e.Data, e.Binary = lastID, data, kind == "binary"
				events = append(events, e)
			}
			data, encoding, kind, e = "", "", "", got{}
		case field == "event":
			e.Name = value
		case field == "topic":
			e.Topic = value
		case field == "key":
			e.Key = value
		case field == "grow":
			e.Grow = value
		case field == "done":
			e.Done = value == "true"
		case field == "data":
			data += value + "\n"
		case field == "id" && !strings.Contains(value, "\x00"):
			id, e.HasID = value, true
		case field == "encoding":
			encoding = value
		case field == "type":
			kind = value
		}
	}
	return events, lastID
}

// W4: no name and no string can add an event to the wire.
func FuzzControl(f *testing.F) {
	f.Add("410\n\ndata: x", "a\"\\\u2028")
	f.Fuzz(func(t *testing.T, a, b string) {
		stream := frame.AppendHello(nil, pos, 0, &frame.Hello{ID: a, Link: b, Reason: a}, nil)
		stream = frame.AppendGap(stream, frame.Range{From: 1}, pos, a, nil)
		stream = frame.AppendUp(stream, frame.Up{Writer: a, Ack: b})
		stream = frame.AppendEnd(stream, 410, b, b)
		var names []string
		events, p, err := parse(t, 1<<20, stream)
		for _, e := range events {
			names = append(names, e.Name)
		}
		want := []string{frame.EventHello, frame.EventGap, frame.EventUp, frame.EventEnd}
		if err != nil || !slices.Equal(names, want) || p.LastID() != pos.String() || !utf8.Valid(stream) {
			t.Fatalf("%q made %q, error %v, last id %q", stream, names, err, p.LastID())
		}
	})
}
