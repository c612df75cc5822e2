package frame_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// M4, T4: for any message of a topic, three parsers see exactly one event with its bytes.
func FuzzTopicEntry(f *testing.F) {
	f.Add("room:7", "said", "k1", []byte("a\nb"), false, uint32(0), false, false, true)
	f.Add("room:7", "", "k1", []byte("a\r"), true, uint32(70000), true, true, false)
	f.Add("a\nb", "a\rb", "a\x00", []byte("x"), false, uint32(1), true, false, true)
	f.Add("mirage", "open", "\xff", []byte("\xff"), false, uint32(1), false, true, true)
	f.Add("open", "message", "", []byte{}, true, uint32(1), true, true, true)
	f.Fuzz(func(
		t *testing.T, topic, event, key string, data []byte, binary bool, offset uint32, grows, done, plain bool,
	) {
		m := store.Message{Event: event, Key: key, Data: data, Binary: binary}
		entry := store.TopicEntry{Message: &m, Grows: grows, Offset: int(offset), Done: done}
		const id = "1-7_k3j9x0a1b2-17"
		block := frame.AppendTopicEntry(nil, topic, &entry, []byte(id), plain)
		next := store.Text("next")
		stream := frame.AppendMessage(slices.Clone(block), store.Position{Epoch: 1, Seq: 1}, &next)

		events, _, err := parse(t, len(data)+10, stream)
		if err != nil || len(events) != 2 || events[1] != (got{ID: "1-1", HasID: true, Data: "next"}) {
			t.Fatalf("%q made %+v, error %v", stream, events, err)
		}

		e, want := events[0], got{ID: id, HasID: true, Data: string(data), Binary: binary}
		if want.Topic = topic; store.CheckTopic(topic) != nil {
			want.Topic = "\uFFFD"
		}
		if want.Key = key; m.CheckKey() != nil {
			want.Key = e.Key
		}
		if want.Name = event; event == "" || event == "message" {
			if want.Name = ""; plain && want.Topic != "message" {
				want.Name = want.Topic
			}
		} else if store.CheckEvent(event) != nil {
			want.Name = e.Name
		}
		if grows {
			want.Grow, want.Done = strconv.Itoa(int(offset)), done
		}
		if e != want || strings.HasPrefix(e.Name, frame.EventHello) || strings.HasPrefix(e.Topic, frame.EventHello) {
			t.Fatalf("%q made %+v, want %+v", stream, e, want)
		}

		text := string(data)
		if bytes.Contains(block, []byte("\nencoding: base64\n")) {
			text = base64.StdEncoding.EncodeToString(data)
		}
		for name, read := range readers {
			events := read(t, stream)
			if len(events) != 2 || events[0] != (got{ID: id, Name: want.Name, Data: text}) {
				t.Fatalf("%s: %q made %+v", name, stream, events)
			}
		}
	})
}

// T6, T8, W4: no string can add an event to the wire, and each string arrives as
// encoding/json would send it.
func FuzzTopicControl(f *testing.F) {
	f.Add("room:7", "410\n\ndata: x", []byte(`{"name":"anna"}`), uint64(3), uint64(7))
	f.Add("a\"\\\u2028", "\xff", []byte("\n[1,\n\"\xff\"]"), uint64(0), uint64(0))
	f.Add("", "", []byte("{"), uint64(1), uint64(0))
	f.Fuzz(func(t *testing.T, a, b string, info []byte, from, to uint64) {
		const id = "_k3j9x0a1b2-17"
		lost := &frame.Range{From: from, To: to}
		if from%2 == 0 {
			lost = nil
		}
		joined := frame.Joined{Topic: a, Position: b, Lost: lost, Key: b}
		if lost != nil {
			joined.Reason = a
		}
		left := frame.Left{Topic: a, Status: int(from % 600), Reason: b, Retry: int64(to >> 1)}
		member := []frame.Member{{Key: b, Info: info}, {Key: a}}

		stream := frame.AppendTopicGap(nil, a, store.Lost{From: from, To: to}, b, []byte(id))
		stream = frame.AppendJoined(stream, &joined, []byte(id))
		stream = frame.AppendLeft(stream, &left, nil)
		stream = frame.AppendMembers(stream, &frame.Members{Topic: a, Count: 2, All: true, Members: member})
		stream = frame.AppendMembers(stream, &frame.Members{Topic: a, Count: 2, Joined: member, Left: []string{b, a}})
		events, p, err := parse(t, 1<<20, stream)
		if err != nil || len(events) != 5 || p.LastID() != id || !utf8.Valid(stream) {
			t.Fatalf("%q made %+v, error %v, last id %q", stream, events, err, p.LastID())
		}

		if member[0].Info = nil; json.Valid(info) {
			member[0].Info = bytes.ToValidUTF8(info, []byte("\uFFFD"))
		}
		for i, want := range []struct {
			name  string
			value any
		}{
			{frame.EventGap, map[string]any{"topic": a, "from": from, "to": to, "reason": b}},
			{frame.EventJoined, joined},
			{frame.EventLeft, left},
			{frame.EventMembers, map[string]any{"topic": a, "count": 2, "members": member}},
			{frame.EventMembers, map[string]any{"topic": a, "count": 2, "joined": member, "left": []string{b, a}}},
		} {
			if events[i].Name != want.name {
				t.Fatalf("%q: event %d is %q", stream, i, events[i].Name)
			}
			if d := cmp.Diff(generic(t, want.value), generic(t, json.RawMessage(events[i].Data))); d != "" {
				t.Fatalf("%s (-want +got):\n%s", events[i].Data, d)
			}
		}
	})
}

// generic returns v as a client in another language has it, without the fields that are
// null, 0 or "": they are the same as absent ones.
func generic(t *testing.T, v any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v of %+v", err, v)
	}
	var back map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&back); err != nil {
		t.Fatal(err)
	}
	return withoutEmpty(back)
}

func withoutEmpty(m map[string]any) map[string]any {
	for name, v := range m {
		if inner, ok := v.(map[string]any); ok {
			withoutEmpty(inner)
		}
		if v == nil || v == "" || v == json.Number("0") {
			delete(m, name)
		}
	}
	return m
}

// T6: any join that is parsed can be sent, and is parsed the same again.
func FuzzParseJoin(f *testing.F) {
	for _, s := range []string{
		`{"topics":[{"topic":"room:7","from":"now","info":{"name":"anna"}},{"topic":"doc:1"}]}`,
		`{"topics":["room:7","doc:1"]}`, `{"topics":[{"topic":"a","info":null}]}`, `{"topics":null}`, `{}`, `null`,
		"{\"topics\":[{\"topic\":\"\xff\",\"info\":[\n\"\xff\"]}]}", `{"topics":[{"info":"\ud800\u2028\n"}]}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if join, err := frame.ParseJoin(data); err == nil {
			block := frame.AppendJoin(nil, &join)
			back, err := frame.ParseJoin(fitting(t, block))
			if len(join.Topics) == 0 {
				join.Topics, back.Topics = nil, nil
			}
			for i := range join.Topics {
				if info := &join.Topics[i].Info; *info != nil {
					var compact bytes.Buffer
					if json.Compact(&compact, *info) == nil && bytes.ContainsAny(*info, "\r\n") {
						*info = compact.Bytes()
					}
				}
			}
			if d := cmp.Diff(join, back); err != nil || d != "" {
				t.Fatalf("%q: error %v (-want +got):\n%s", block, err, d)
			}
		}

		if leave, err := frame.ParseLeave(data); err == nil {
			block := frame.AppendLeave(nil, &leave)
			back, err := frame.ParseLeave(fitting(t, block))
			if err != nil || !slices.Equal(back.Topics, leave.Topics) {
				t.Fatalf("%q: %+v, error %v", block, back, err)
			}
		}
	})
}

// fitting returns the data of the only event of a block. It ends the test if escapes have
// made it longer than a control event may be.
func fitting(t *testing.T, block []byte) []byte {
	t.Helper()
	data := dataOf(t, block)
	if !utf8.Valid(block) {
		t.Fatalf("%q is not UTF-8", block)
	}
	if len(data) > frame.MaxControl {
		t.Skip()
	}
	return data
}
