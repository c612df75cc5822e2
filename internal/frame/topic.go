package frame

import (
	"strconv"
	"strings"

	"github.com/mirage-go/mirage/store"
)

// AppendTopicEntry appends the block of a topic's message, or of a piece of one: the
// entry e, whose Message is not nil. id is the text of the positions after it. Without
// one, the block has no id, and moves the client nowhere.
//
// A plain client does not read the topic's name. For it, an unnamed message has that name
// as its event.
func AppendTopicEntry(dst []byte, topic string, e *store.TopicEntry, id []byte, plain bool) []byte {
	m := e.Message
	topic = topicName(topic)
	dst = append(append(append(dst, "topic: "...), topic...), '\n')

	event := m.Event
	if plain && (event == "" || event == "message") {
		event = topic
	}
	dst = appendKey(appendEvent(dst, event), m.Key)

	if e.Grows {
		dst = strconv.AppendInt(append(dst, "grow: "...), int64(e.Offset), 10)
		dst = append(dst, '\n')
		if e.Done {
			dst = append(dst, "done: true\n"...)
		}
	}
	return appendIDText(appendData(dst, m), id)
}

// topicName is the last line of defence behind store.CheckTopic, as eventName is behind
// store.CheckEvent: no client joins a topic of the name that replaces a forbidden one.
func topicName(name string) string {
	if !isTopic(name) {
		return "\uFFFD"
	}
	return name
}

// isTopic reports whether store.CheckTopic allows name. Every message of every link is
// checked, so it makes no error and decodes no runes.
func isTopic(name string) bool {
	if name == "" || len(name) > store.MaxTopic || strings.HasPrefix(name, EventHello) ||
		name == "open" || name == "error" || name == "close" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		// From '-' to ':' are - . / 0-9 and :
		if (c < 'a' || c > 'z') && (c < '-' || c > ':') && (c < 'A' || c > 'Z') && c != '_' && c != '~' {
			return false
		}
	}
	return true
}

// keyName is the last line of defence behind Message.CheckKey.
func keyName(key string) string {
	if len(key) > store.MaxKey {
		return "\uFFFD"
	}
	for i := range len(key) {
		if key[i] < ' ' {
			return "\uFFFD"
		}
	}
	return key
}
