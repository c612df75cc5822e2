package frame_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

const topicID = "_k3j9x0a1b2-17"

var (
	said = store.Message{Event: "said", Key: "k1", Data: []byte("a\nb")}
	hi   = store.Text("hi")
)

// topicEntries is the table of M4 and T4, for the blocks of a topic's messages.
var topicEntries = []struct {
	name  string
	topic string
	entry store.TopicEntry
	id    string
	plain bool
	want  string
}{
	{"event and key", "room:7", store.TopicEntry{Message: &said}, topicID, false,
		"topic: room:7\nevent: said\nkey: k1\ndata: a\ndata: b\nid: " + topicID + "\n\n"},
	{"for a plain client", "room:7", store.TopicEntry{Message: &said}, "3k2-17" + topicID, true,
		"topic: room:7\nevent: said\nkey: k1\ndata: a\ndata: b\nid: 3k2-17" + topicID + "\n\n"},
	{"unnamed", "room:7", store.TopicEntry{Message: &hi}, topicID, false,
		"topic: room:7\ndata: hi\nid: " + topicID + "\n\n"},
	{"unnamed for a plain client", "room:7", store.TopicEntry{Message: &hi}, topicID, true,
		"topic: room:7\nevent: room:7\ndata: hi\nid: " + topicID + "\n\n"},
	{"message for a plain client", "room:7",
		store.TopicEntry{Message: &store.Message{Event: "message", Data: []byte("hi")}}, topicID, true,
		"topic: room:7\nevent: room:7\ndata: hi\nid: " + topicID + "\n\n"},
	{"a topic called message", "message", store.TopicEntry{Message: &hi}, topicID, true,
		"topic: message\ndata: hi\nid: " + topicID + "\n\n"},
	{"the offset does not count", "t", store.TopicEntry{Message: &hi, Offset: 9, Done: true}, topicID, false,
		"topic: t\ndata: hi\nid: " + topicID + "\n\n"},
	{"first piece", "t", store.TopicEntry{Message: &said, Grows: true}, topicID, false,
		"topic: t\nevent: said\nkey: k1\ngrow: 0\ndata: a\ndata: b\nid: " + topicID + "\n\n"},
	{"last piece, empty", "t",
		store.TopicEntry{Message: &store.Message{Key: "k"}, Grows: true, Offset: 70000, Done: true}, topicID, false,
		"topic: t\nkey: k\ngrow: 70000\ndone: true\ndata: \nid: " + topicID + "\n\n"},
	{"read whole", "t", store.TopicEntry{Message: &said, Grows: true}, "", false,
		"topic: t\nevent: said\nkey: k1\ngrow: 0\ndata: a\ndata: b\n\n"},
	{"encoded", "t", store.TopicEntry{
		Message: &store.Message{Event: "e", Key: "k", Data: []byte("a\r"), Binary: true}, Grows: true}, topicID, false,
		"topic: t\nevent: e\nkey: k\ngrow: 0\nencoding: base64\ntype: binary\ndata: YQ0=\nid: " + topicID + "\n\n"},
	{"forbidden names", "a\nb",
		store.TopicEntry{Message: &store.Message{Event: "mirage-end", Key: "a\rb"}}, topicID, true,
		"topic: \uFFFD\nevent: \uFFFD\nkey: \uFFFD\ndata: \nid: " + topicID + "\n\n"},
	{"forbidden topic as event", "open", store.TopicEntry{Message: &hi}, topicID, true,
		"topic: \uFFFD\nevent: \uFFFD\ndata: hi\nid: " + topicID + "\n\n"},
	{"id with a line break", "t", store.TopicEntry{Message: &hi}, "1\nevent: mirage-end", false,
		"topic: t\ndata: hi\n\n"},
}

// M4, T4: the blocks of a topic's messages, byte for byte.
func TestM4TopicEntry(t *testing.T) {
	for _, tt := range topicEntries {
		t.Run(tt.name, func(t *testing.T) {
			got := string(frame.AppendTopicEntry([]byte("before "), tt.topic, &tt.entry, []byte(tt.id), tt.plain))
			if got != "before "+tt.want {
				t.Errorf("got  %q\nwant %q", got, "before "+tt.want)
			}
		})
	}
}

// T1: exactly the names that store.CheckTopic refuses are replaced.
func TestT1ForbiddenTopics(t *testing.T) {
	check := func(t rapid.TB, topic string) {
		want := "topic: " + topic + "\n"
		if store.CheckTopic(topic) != nil {
			want = "topic: \uFFFD\n"
		}
		if got := frame.AppendTopicEntry(nil, topic, &store.TopicEntry{Message: &hi}, nil, true); !strings.HasPrefix(
			string(got), want) {
			t.Errorf("%q: %q", topic, got)
		}
	}

	for c := range 256 {
		check(t, string([]byte{byte(c)}))
		check(t, "a"+string(rune(c)))
	}
	for _, topic := range []string{"", "mirage", "miragex", "Mirage", "open", "error", "close", "opened", "~user:42",
		strings.Repeat("t", store.MaxTopic), strings.Repeat("t", store.MaxTopic+1)} {
		check(t, topic)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, rapid.String().Draw(t, "topic")) })
}
