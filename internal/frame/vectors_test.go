package frame_test

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"strconv"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

var update = flag.Bool("update", false, "write the vectors that clients in other languages are tested with")

// A vector is a text with the events that a parser must return for it. It is stored as
// JSON for clients in other languages.
type vector struct {
	Name   string  `json:"name"`
	Stream string  `json:"stream"`
	Events []event `json:"events"`
	LastID string  `json:"lastID"`
}

type event struct {
	ID     *string `json:"id"` // null if the block has none
	Event  string  `json:"event"`
	Data   string  `json:"data"` // in base64 if binary
	Binary bool    `json:"binary"`
	*topicEvent
}

// topicEvent has the fields of a message of a topic.
type topicEvent struct {
	Topic string `json:"topic"`
	Key   string `json:"key"`
	Grow  *int64 `json:"grow"` // null if the message does not grow
	Done  bool   `json:"done"`
}

func vectorOf(name, stream string, events []got, lastID string) vector {
	v := vector{name, stream, []event{}, lastID}
	for _, e := range events {
		out := event{Event: e.Name, Binary: e.Binary}
		if e.HasID {
			out.ID = new(e.ID)
		}
		if e.Binary {
			out.Data = base64.StdEncoding.EncodeToString([]byte(e.Data))
		} else {
			out.Data = string([]rune(e.Data)) // invalid UTF-8 becomes U+FFFD in text
		}
		if e.Name == "" {
			out.Event = "message"
		}
		v.Events = append(v.Events, out)
	}
	return v
}

// W1, W4: mirage.js is tested with the results of this parser and this encoder:
// client/js/test/vectors.json must hold the current ones.
func TestVectors(t *testing.T) {
	var all []vector
	for _, tt := range streams {
		all = append(all, vectorOf(tt.name, tt.stream, tt.want, tt.lastID))
	}

	for _, tt := range payloads {
		if len(tt.data) > 1000 {
			continue // they are only large
		}
		m := store.Message{Event: "e", Data: []byte(tt.data), Binary: tt.binary}
		block := frame.AppendMessage(nil, pos, &m)
		events, p, err := parse(t, 1000, block)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, vectorOf("message: "+tt.name, string(block), events, p.LastID()))
	}

	checkVectors(t, "../../client/js/test/vectors.json", all)
}

// M4: topic_vectors.json has the same for messages of topics. Each of its events has
// topic, key, grow and done, too.
func TestTopicVectors(t *testing.T) {
	var all []vector
	add := func(name, stream string, events []got, lastID string) {
		v := vectorOf(name, stream, events, lastID)
		for i, e := range events {
			topic := &topicEvent{Topic: e.Topic, Key: e.Key, Done: e.Done}
			if e.Grow != "" {
				n, err := strconv.ParseInt(e.Grow, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				topic.Grow = &n
			}
			v.Events[i].topicEvent = topic
		}
		all = append(all, v)
	}

	for _, tt := range topicStreams {
		add(tt.name, tt.stream, tt.want, tt.lastID)
	}
	for _, tt := range topicEntries {
		block := frame.AppendTopicEntry(nil, tt.topic, &tt.entry, []byte(tt.id), tt.plain)
		events, p, err := parse(t, 1000, block)
		if err != nil {
			t.Fatal(err)
		}
		add("message: "+tt.name, string(block), events, p.LastID())
	}
	checkVectors(t, "../../client/js/test/topic_vectors.json", all)
}

func checkVectors(t *testing.T, file string, all []vector) {
	t.Helper()
	want, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("%s is not what is read and written now (%v): go test ./internal/frame -run Vectors -update",
			file, err)
	}
}
