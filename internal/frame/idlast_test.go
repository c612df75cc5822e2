package frame_test

import (
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// blocks are the blocks with an id that the Append functions write.
func blocks() map[string][]byte {
	text := store.Message{Event: "chat", Data: []byte("two\nlines")}
	encoded := store.Message{Data: []byte{0, 1}, Binary: true}
	newlines := store.Text(strings.Repeat("\n", 9))
	all := map[string][]byte{
		"hello":               frame.AppendHello(nil, pos, 1e9, &frame.Hello{ID: "x"}, nil),
		"gap":                 frame.AppendGap(nil, frame.Range{From: 1}, pos, "trimmed", nil),
		"id":                  frame.AppendID(nil, pos),
		"message":             frame.AppendMessage(nil, pos, &text),
		"message in base64":   frame.AppendMessage(nil, pos, &encoded),
		"up":                  frame.AppendUpstream(nil, 7, &text),
		"up in base64":        frame.AppendUpstream(nil, 7, &encoded),
		"up, lines in base64": frame.AppendUpstream(nil, 7, &newlines),
		"entry":               frame.AppendEntries(nil, pos.Epoch, []store.Entry{{Seq: 1, Message: &text}}, nil),
		"entry of another":    frame.AppendEntries(nil, pos.Epoch, []store.Entry{{Seq: 1}}, nil),
		"entry with its tag": frame.AppendEntries(nil, pos.Epoch,
			[]store.Entry{{Seq: 1, Tag: 5, Message: &encoded}}, nil),
		"entry after the first": nil,
		"entry with a suffix": frame.AppendEntries(nil, pos.Epoch,
			[]store.Entry{{Seq: 1, Message: &text}}, []byte("_k3j9x0a1b2-4")),
		"topic":        frame.AppendTopicEntry(nil, "t", &store.TopicEntry{Message: &text}, []byte("1"), false),
		"topic, plain": frame.AppendTopicEntry(nil, "t", &store.TopicEntry{Message: &encoded}, []byte("1"), true),
		"topic's gap":  frame.AppendTopicGap(nil, "t", store.Lost{From: 1}, "trimmed", []byte("1")),
		"joined":       frame.AppendJoined(nil, &frame.Joined{Topic: "t"}, []byte("1")),
		"left":         frame.AppendLeft(nil, &frame.Left{Topic: "t"}, []byte("1")),
	}
	two := frame.AppendEntries(nil, pos.Epoch, []store.Entry{{Seq: 1, Message: &text}, {Seq: 2, Message: &text}}, nil)
	all["entry after the first"] = two[len(all["entry"]):]
	return all
}

// W1, W3: the id is the last line of every block. Many clients (eventsource 2,
// fetch-event-source and its forks, r3labs) store an id as soon as its line arrives. A
// block that was cut has no id, so they ask for the message again.
func TestW3IDIsTheLastLine(t *testing.T) {
	for name, block := range blocks() {
		lines := strings.Split(strings.TrimSuffix(string(block), "\n\n"), "\n")
		for i, line := range lines {
			if last := i == len(lines)-1; strings.HasPrefix(line, "id:") != last {
				t.Errorf("%s: line %d of %q", name, i+1, block)
			}
		}
	}
}
