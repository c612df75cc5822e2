package frame_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// W2, D2, D3, L1: each control event is written byte for byte, and parsed again.
func TestControl(t *testing.T) {
	at := store.Position{Epoch: 36, Seq: 9}
	hello := frame.Hello{
		ID: "abc", Previous: "old", Mirage: "~v", Reader: "r", Link: "l",
		Resumed: true, Sent: 9, Accepted: 3, Heartbeat: 15000,
	}
	lost := frame.Hello{ID: "abc", Reason: "trimmed", Lost: &frame.Range{From: 2, To: 5}}
	open := frame.Hello{ID: "abc", Reason: "restarted", Lost: &frame.Range{From: 2}}

	for _, tt := range []struct {
		name  string
		block []byte
		want  string
		value any // a pointer to the expected value of the data
	}{
		{"hello", frame.AppendHello(nil, at, 0, &hello, nil), "event: mirage\n" +
			`data: {"id":"abc","previous":"old","mirage":"~v","reader":"r","link":"l",` +
			`"resumed":true,"reason":"","lost":null,` +
			`"sent":9,"accepted":3,"heartbeat":15000}` + "\nid: 10-9\n\n", &hello},
		{"hello with a loss", frame.AppendHello(nil, at, 1500*time.Millisecond, &lost, nil),
			"retry: 1500\nevent: mirage\n" +
				`data: {"id":"abc","previous":"","mirage":"","reader":"","link":"",` +
				`"resumed":false,"reason":"trimmed","lost":{"from":2,"to":5},` +
				`"sent":0,"accepted":0,"heartbeat":0}` + "\nid: 10-9\n\n", &lost},
		{"hello with an open loss", frame.AppendHello(nil, at, 0, &open, nil), "event: mirage\n" +
			`data: {"id":"abc","previous":"","mirage":"","reader":"","link":"",` +
			`"resumed":false,"reason":"restarted","lost":{"from":2,"to":null},` +
			`"sent":0,"accepted":0,"heartbeat":0}` + "\nid: 10-9\n\n", &open},
		{"gap", frame.AppendGap(nil, frame.Range{From: 4, To: 9}, at, "full", nil), "event: mirage-gap\n" +
			`data: {"from":4,"to":9,"reason":"full"}` + "\nid: 10-9\n\n", &frame.Gap{From: 4, To: 9, Reason: "full"}},
		{"gap without a known end", frame.AppendGap(nil, frame.Range{From: 4}, at, "expired", nil),
			"event: mirage-gap\n" +
				`data: {"from":4,"to":null,"reason":"expired"}` + "\nid: 10-9\n\n",
			&frame.Gap{From: 4, Reason: "expired"}},
		{"ack", frame.AppendAck(nil, store.MaxSeq), "event: mirage-ack\n" +
			`data: {"accepted":9007199254740991}` + "\n\n", &frame.Ack{Accepted: store.MaxSeq}},
		{"drain", frame.AppendDrain(nil, 2*time.Second), "event: mirage-drain\n" +
			`data: {"retry":2000}` + "\n\n", &frame.Drain{Retry: 2000}},
		{"drain at once", frame.AppendDrain(nil, -time.Second), "event: mirage-drain\n" +
			`data: {"retry":0}` + "\n\n", &frame.Drain{}},
		{"end", frame.AppendEnd(nil, 410, "over", "it ended"), "event: mirage-end\n" +
			`data: {"status":410,"reason":"it ended","code":"over"}` + "\n\n",
			&frame.End{Status: 410, Code: "over", Reason: "it ended"}},
		{"up", frame.AppendUp(nil, frame.Up{Writer: "w", Base: 7, Ack: "10-9", Again: true}), "event: mirage-up\n" +
			`data: {"writer":"w","base":7,"ack":"10-9","again":true}` + "\n\n",
			&frame.Up{Writer: "w", Base: 7, Ack: "10-9", Again: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if string(tt.block) != tt.want {
				t.Fatalf("got  %q\nwant %q", tt.block, tt.want)
			}

			events, _, err := parse(t, 1000, tt.block)
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events, error %v", len(events), err)
			}

			back := zeroOf(tt.value)
			if err := json.Unmarshal([]byte(events[0].Data), back); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.value, back); d != "" {
				t.Errorf("read back (-want +got):\n%s", d)
			}
		})
	}
}

func zeroOf(v any) any {
	switch v.(type) {
	case *frame.Hello:
		return new(frame.Hello)
	case *frame.Gap:
		return new(frame.Gap)
	case *frame.Ack:
		return new(frame.Ack)
	case *frame.Drain:
		return new(frame.Drain)
	case *frame.End:
		return new(frame.End)
	}
	return new(frame.Up)
}

func TestAppendRetry(t *testing.T) {
	_, p, _ := parse(t, 100, frame.AppendRetry(nil, 2500*time.Millisecond))
	if d, ok := p.Retry(); !ok || d != 2500*time.Millisecond {
		t.Errorf("retry %v, %v", d, ok)
	}
}

// W4: no string of a control event can break out of its field.
func TestControlStrings(t *testing.T) {
	for _, s := range []string{
		"\n\ndata: x\n\n", "\r\rid: 1\r", "\"},{", "\\", "\u2028", "a\x00b", "\x7f\u0085",
		strings.Repeat("\n", 99),
	} {
		for name, block := range map[string][]byte{
			"hello": frame.AppendHello(nil, pos, 0,
				&frame.Hello{ID: s, Previous: s, Mirage: s, Reader: s, Link: s, Reason: s}, nil),
			"gap": frame.AppendGap(nil, frame.Range{From: 1}, pos, s, nil),
			"end": frame.AppendEnd(nil, 410, s, s),
			"up":  frame.AppendUp(nil, frame.Up{Writer: s, Ack: s}),
		} {
			events, p, err := parse(t, 10000, block)
			if err != nil || len(events) != 1 || p.LastID() != "" && p.LastID() != pos.String() {
				t.Errorf("%s with %q: %d events, error %v, last id %q", name, s, len(events), err, p.LastID())
				continue
			}
			var v struct{ ID, Reason, Writer string }
			if err := json.Unmarshal([]byte(events[0].Data), &v); err != nil ||
				s != v.ID+v.Writer && s != v.Reason && s != v.ID {
				t.Errorf("%s with %q: read back %+v, error %v", name, s, v, err)
			}
		}
	}
}

// D3: a client that does not read hello is told of its loss by a gap. The position moves
// with the gap, not before, so a cut between the two loses nothing.
func TestD3HelloAndGap(t *testing.T) {
	at := store.Position{Epoch: 36, Seq: 9}
	hello := frame.Hello{ID: "abc", Reason: "restarted", Lost: &frame.Range{From: 2}}
	got := string(frame.AppendHelloAndGap(nil, at, time.Second, &hello, nil))
	want := strings.Replace(string(frame.AppendHello(nil, at, time.Second, &hello, nil)), "\nid: 10-9\n", "\n", 1) +
		string(frame.AppendGap(nil, *hello.Lost, at, "restarted", nil))
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
