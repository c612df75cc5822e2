package frame_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"testing"

	r3 "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// readers are SSE clients by others. They read what a plain client gets. An unnamed event
// is "" or "message" to them.
var readers = map[string]func(t testing.TB, stream []byte) []got{
	"go-sse": func(t testing.TB, stream []byte) (events []got) {
		for e, err := range gosse.Read(bytes.NewReader(stream), &gosse.ReadConfig{MaxEventSize: 8 << 20}) {
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, got{ID: e.LastEventID, Name: e.Type, Data: e.Data})
		}
		return events
	},
	"r3labs": func(t testing.TB, stream []byte) (events []got) {
		c := r3.NewClient("http://sse.test/", r3.ClientMaxBufferSize(8<<20))
		c.Connection.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(stream))}, nil
		})
		if err := c.SubscribeRaw(func(e *r3.Event) {
			events = append(events, got{ID: string(e.ID), Name: string(e.Event), Data: string(e.Data)})
		}); err != nil {
			t.Fatal(err)
		}
		return events
	},
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// W4: independent clients get text byte-identical, and base64 if the data cannot be sent
// as text.
func TestOtherReaders(t *testing.T) {
	for name, read := range readers {
		for _, tt := range payloads {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				m := store.Message{Event: "e", Data: []byte(tt.data), Binary: tt.binary}
				want := got{ID: pos.String(), Name: "e", Data: tt.data}
				if !tt.text {
					want.Data = base64.StdEncoding.EncodeToString(m.Data)
				}
				events := read(t, frame.AppendMessage(nil, pos, &m))
				if len(events) != 1 || events[0] != want {
					t.Errorf("got %d events: %.200s", len(events), fmt.Sprint(events))
				}
			})
		}
	}
}

// W1: a whole link, as other clients see it: control events have names that no handler
// listens for.
func TestOtherReadersOfALink(t *testing.T) {
	one, two := store.Text("one"), store.Message{Event: "e", Data: []byte("two\nlines")}
	at := func(seq uint64) store.Position { return store.Position{Epoch: 36, Seq: seq} }
	stream := frame.AppendHello(nil, at(0), 1e9, &frame.Hello{ID: "x"}, nil)
	stream = frame.AppendMessage(stream, at(1), &one)
	stream = frame.AppendBeat(stream)
	stream = frame.AppendGap(stream, frame.Range{From: 2}, at(5), "full", nil)
	stream = frame.AppendBeat(frame.AppendBeat(stream))
	stream = frame.AppendMessage(stream, at(6), &two)
	stream = frame.AppendAck(stream, 3)
	stream = frame.AppendRetry(stream, 1e9)

	want := []got{
		{ID: "10-0", Name: "mirage"},
		{ID: "10-1", Data: "one"},
		{ID: "10-5", Name: "mirage-gap"},
		{ID: "10-6", Name: "e", Data: "two\nlines"},
		{ID: "10-6", Name: "mirage-ack"},
	}

	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			events := read(t, stream)
			if n := len(events); n == len(want)+1 && events[n-1].Data == "" {
				events = events[:n-1] // both report a block with only retry as an event
			}

			if len(events) != len(want) {
				t.Fatalf("%d events, want %d: %+v", len(events), len(want), events)
			}
			for i, e := range events {
				if want[i].Data == "" { // its JSON does not matter here
					e.Data = ""
				}
				if e != want[i] {
					t.Errorf("event %d: %+v, want %+v", i, e, want[i])
				}
			}
		})
	}
}
