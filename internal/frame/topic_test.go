package frame_test

import (
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// M4, T4: the blocks of a topic's messages, byte for byte.
func TestM4TopicEntry(t *testing.T) {
	const id = "_k3j9x0a1b2-17"
	said := store.Message{Event: "said", Key: "k1", Data: []byte("a\nb")}
	text := store.Text("hi")

	for _, tt := range []struct {
		name  string
		topic string
		entry store.TopicEntry
		id    string
		plain bool
		want  string
	}{
		{"event and key", "room:7", store.TopicEntry{Message: &said}, id, false,
			"topic: room:7\nevent: said\nkey: k1\ndata: a\ndata: b\nid: " + id + "\n\n"},
		{"for a plain client", "room:7", store.TopicEntry{Message: &said}, "3k2-17" + id, true,
			"topic: room:7\nevent: said\nkey: k1\ndata: a\ndata: b\nid: 3k2-17" + id + "\n\n"},
		{"unnamed", "room:7", store.TopicEntry{Message: &text}, id, false,
			"topic: room:7\ndata: hi\nid: " + id + "\n\n"},
		{"unnamed for a plain client", "room:7", store.TopicEntry{Message: &text}, id, true,
			"topic: room:7\nevent: room:7\ndata: hi\nid: " + id + "\n\n"},
		{"message for a plain client", "room:7",
			store.TopicEntry{Message: &store.Message{Event: "message", Data: []byte("hi")}}, id, true,
			"topic: room:7\nevent: room:7\ndata: hi\nid: " + id + "\n\n"},
		{"a topic called message", "message", store.TopicEntry{Message: &text}, id, true,
			"topic: message\ndata: hi\nid: " + id + "\n\n"},
		{"the offset does not count", "t", store.TopicEntry{Message: &text, Offset: 9, Done: true}, id, false,
			"topic: t\ndata: hi\nid: " + id + "\n\n"},
		{"first piece", "t", store.TopicEntry{Message: &said, Grows: true}, id, false,
			"topic: t\nevent: said\nkey: k1\ngrow: 0\ndata: a\ndata: b\nid: " + id + "\n\n"},
		{"last piece, empty", "t",
			store.TopicEntry{Message: &store.Message{Key: "k"}, Grows: true, Offset: 70000, Done: true}, id, false,
			"topic: t\nkey: k\ngrow: 70000\ndone: true\ndata: \nid: " + id + "\n\n"},
		{"read whole", "t", store.TopicEntry{Message: &said, Grows: true}, "", false,
			"topic: t\nevent: said\nkey: k1\ngrow: 0\ndata: a\ndata: b\n\n"},
		{"encoded", "t", store.TopicEntry{
			Message: &store.Message{Event: "e", Key: "k", Data: []byte("a\r"), Binary: true}, Grows: true}, id, false,
			"topic: t\nevent: e\nkey: k\ngrow: 0\nencoding: base64\ntype: binary\ndata: YQ0=\nid: " + id + "\n\n"},
		{"forbidden names", "a\nb",
			store.TopicEntry{Message: &store.Message{Event: "mirage-end", Key: "a\rb"}}, id, true,
			"topic: \uFFFD\nevent: \uFFFD\nkey: \uFFFD\ndata: \nid: " + id + "\n\n"},
		{"forbidden topic as event", "open", store.TopicEntry{Message: &text}, id, true,
			"topic: \uFFFD\nevent: \uFFFD\ndata: hi\nid: " + id + "\n\n"},
		{"id with a line break", "t", store.TopicEntry{Message: &text}, "1\nevent: mirage-end", false,
			"topic: t\ndata: hi\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(frame.AppendTopicEntry([]byte("before "), tt.topic, &tt.entry, []byte(tt.id), tt.plain))
			if got != "before "+tt.want {
				t.Errorf("got  %q\nwant %q", got, "before "+tt.want)
			}
		})
	}
}
