package frame_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// T5, T6, T8, T12: each control event of a topic is written byte for byte, and parsed
// again.
func TestT6TopicControl(t *testing.T) {
	type row struct {
		name  string
		block []byte
		want  string
		value any // the expected value of the data
		back  any // a pointer to a zero value of its type
	}
	id := []byte("_k3j9x0a1b2-17")
	const end = "\nid: _k3j9x0a1b2-17\n\n"

	joined := func(name string, j frame.Joined, data string) row {
		block := frame.AppendJoined(nil, &j, id)
		return row{name, block, "event: mirage-joined\ndata: " + data + end, &j, new(frame.Joined)}
	}

	for _, tt := range []row{
		{"gap", frame.AppendTopicGap(nil, "room:7", store.Lost{From: 3, To: 7}, "trimmed", id),
			"event: mirage-gap\n" + `data: {"topic":"room:7","from":3,"to":7,"reason":"trimmed"}` + end,
			&frame.Gap{Topic: "room:7", From: 3, To: 7, Reason: "trimmed"}, new(frame.Gap)},
		{"open gap", frame.AppendTopicGap(nil, "room:7", store.Lost{From: 3}, "restarted", nil),
			"event: mirage-gap\n" + `data: {"topic":"room:7","from":3,"to":null,"reason":"restarted"}` + "\n\n",
			&frame.Gap{Topic: "room:7", From: 3, Reason: "restarted"}, new(frame.Gap)},
		joined("joined", frame.Joined{Topic: "room:7", Position: string(id)},
			`{"topic":"room:7","position":"_k3j9x0a1b2-17","lost":null}`),
		joined("joined with presence", frame.Joined{Topic: "room:7", Position: string(id), Key: "k"},
			`{"topic":"room:7","position":"_k3j9x0a1b2-17","lost":null,"key":"k"}`),
		joined("joined with a loss",
			frame.Joined{Topic: "t", Position: string(id), Lost: &frame.Range{From: 5, To: 9}, Reason: "trimmed"},
			`{"topic":"t","position":"_k3j9x0a1b2-17","lost":{"from":5,"to":9},"reason":"trimmed"}`),
		joined("joined after another epoch",
			frame.Joined{Topic: "t", Position: string(id), Lost: &frame.Range{From: 5}, Reason: "restarted", Key: "k"},
			`{"topic":"t","position":"_k3j9x0a1b2-17","lost":{"from":5,"to":null},"reason":"restarted","key":"k"}`),
		{"left", frame.AppendLeft(nil, &frame.Left{Topic: "t", Status: 403, Code: "refused", Reason: "no"}, nil),
			"event: mirage-left\n" + `data: {"topic":"t","status":403,"reason":"no","code":"refused"}` + "\n\n",
			&frame.Left{Topic: "t", Status: 403, Code: "refused", Reason: "no"}, new(frame.Left)},
		{"left, to be retried",
			frame.AppendLeft(nil, &frame.Left{Topic: "t", Status: 503, Code: "failed", Reason: "busy", Retry: 2000},
				id),
			"event: mirage-left\n" +
				`data: {"topic":"t","status":503,"reason":"busy","code":"failed","retry":2000}` + end,
			&frame.Left{Topic: "t", Status: 503, Code: "failed", Reason: "busy", Retry: 2000}, new(frame.Left)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if string(tt.block) != tt.want {
				t.Fatalf("got  %q\nwant %q", tt.block, tt.want)
			}
			if err := json.Unmarshal(dataOf(t, tt.block), tt.back); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.value, tt.back); d != "" {
				t.Errorf("read back (-want +got):\n%s", d)
			}
		})
	}
}

// dataOf returns the data of the only event of a block.
func dataOf(t testing.TB, block []byte) []byte {
	t.Helper()
	events, _, err := parse(t, 64<<10, block)
	if err != nil || len(events) != 1 {
		t.Fatalf("%q: %d events, error %v", block, len(events), err)
	}
	return []byte(events[0].Data)
}

// T6: no string of a topic's control event can break out of its field.
func TestT6TopicControlStrings(t *testing.T) {
	const id = "_k3j9x0a1b2-17"
	for _, s := range []string{
		"\n\ndata: x\n\n", "\r\rid: 1\r", "\"},{", "\\", "\u2028", "a\x00b", "\x7f\u0085", "\xff",
		strings.Repeat("\n", 99),
	} {
		members := frame.Members{Topic: s, Joined: []frame.Member{{Key: s, Info: []byte(s)}}, Left: []string{s}}
		join := frame.Join{Topics: []frame.JoinTopic{{Topic: s, From: s, Info: []byte(s)}}}
		joined := frame.Joined{Topic: s, Position: s, Lost: new(frame.Range), Reason: s, Key: s}
		for name, block := range map[string][]byte{
			frame.EventGap:     frame.AppendTopicGap(nil, s, store.Lost{From: 1}, s, []byte(id)),
			frame.EventJoined:  frame.AppendJoined(nil, &joined, []byte(id)),
			frame.EventLeft:    frame.AppendLeft(nil, &frame.Left{Topic: s, Reason: s}, []byte(id)),
			frame.EventMembers: frame.AppendMembers(nil, &members),
			frame.EventJoin:    frame.AppendJoin(nil, &join),
			frame.EventLeave:   frame.AppendLeave(nil, &frame.Leave{Topics: []string{s, s}}),
		} {
			events, p, err := parse(t, 10000, block)
			if err != nil || len(events) != 1 || p.LastID() != "" && p.LastID() != id {
				t.Errorf("%s with %q: %d events, error %v, last id %q", name, s, len(events), err, p.LastID())
			} else if e := events[0]; e.Name != name || !json.Valid([]byte(e.Data)) || !utf8.ValidString(e.Data) {
				t.Errorf("%s with %q: %+v", name, s, e)
			}
		}
	}
}

// A text that is no id is left out, also as a suffix.
func TestIDsWithLineBreaks(t *testing.T) {
	text := store.Text("hi")
	for _, bad := range []string{"\nid: 2", "_\rdata: x", "\n"} {
		b := []byte(bad)
		for name, pair := range map[string][2][]byte{
			"hello": {frame.AppendHello(nil, pos, 0, new(frame.Hello), b),
				frame.AppendHello(nil, pos, 0, new(frame.Hello), nil)},
			"gap": {frame.AppendGap(nil, frame.Range{From: 1}, pos, "", b),
				frame.AppendGap(nil, frame.Range{From: 1}, pos, "", nil)},
			"entries": {frame.AppendEntries(nil, 1, []store.Entry{{Seq: 1, Message: &text}}, b),
				frame.AppendEntries(nil, 1, []store.Entry{{Seq: 1, Message: &text}}, nil)},
			"left": {frame.AppendLeft(nil, new(frame.Left), b),
				frame.AppendLeft(nil, new(frame.Left), nil)},
			"joined": {frame.AppendJoined(nil, new(frame.Joined), b),
				frame.AppendJoined(nil, new(frame.Joined), nil)},
			"topic's gap": {frame.AppendTopicGap(nil, "t", store.Lost{}, "", b),
				frame.AppendTopicGap(nil, "t", store.Lost{}, "", nil)},
		} {
			if string(pair[0]) != string(pair[1]) {
				t.Errorf("%s with %q: %q", name, bad, pair[0])
			}
		}
	}
}

// T4: hello, a gap and a message of the session have the positions in topics after their
// own, for plain clients.
func TestT4Suffix(t *testing.T) {
	const suffix = "_k3j9x0a1b2-4_zz0aa10000-9"
	lost := frame.Hello{Lost: &frame.Range{From: 1}}
	for name, block := range map[string][]byte{
		"hello":         frame.AppendHello(nil, pos, 0, new(frame.Hello), []byte(suffix)),
		"hello and gap": frame.AppendHelloAndGap(nil, pos, 0, &lost, []byte(suffix)),
		"gap":           frame.AppendGap(nil, frame.Range{From: 1}, pos, "trimmed", []byte(suffix)),
	} {
		if _, p, err := parse(t, 1000, block); err != nil || p.LastID() != pos.String()+suffix {
			t.Errorf("%s: last id %q, error %v", name, p.LastID(), err)
		}
	}
}
