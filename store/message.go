package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// MaxEvent is the longest event name, in bytes.
const MaxEvent = 128

// A Message is one payload, with the name under which clients listen for it. Once it is
// passed to a Manager, Session or Log, all logs and all writes share its Data: the caller
// must not change it any more.
type Message struct {
	// Event is the name of the event; "" and "message" are the unnamed message of an
	// EventSource. A name has at most MaxEvent bytes of UTF-8 without control characters.
	// Names that begin with "mirage" belong to the wire, "open", "error" and "close" to
	// the browser.
	Event string
	// Data is the payload. Its bytes arrive unchanged at Mirage's own clients, on every
	// transport. A plain EventSource gets text as it is, and everything else as base64.
	Data []byte
	// Binary reports whether clients get Data as bytes. Without it, Data is text if it is
	// valid UTF-8.
	Binary bool
	// Key, if not empty, names what the message is about: progress, a price, a cursor. A
	// newer message with the same Event and Key, in the same topic or session and for the
	// same readers, supersedes this one for every reader that was not sent it. The older
	// one leaves the log and frees its room. Readers pass it over, and are told of no
	// gap. A key has at most MaxKey bytes of UTF-8 without control characters.
	Key string
	// TTL, if above zero, is how long the message is worth delivering. Later it leaves
	// the log: readers pass it over, are told of no gap, and OnEnd does not get it.
	TTL time.Duration
}

// MaxKey is the longest key of a message, in bytes.
const MaxKey = 128

// CheckKey returns nil if the message's Key and TTL are allowed. Otherwise the error
// wraps ErrKey, and says what is wrong.
func (m *Message) CheckKey() error {
	if m.Key == "" && m.TTL == 0 { // most messages: this is inlined
		return nil
	}
	return m.checkKey()
}

func (m *Message) checkKey() error {
	switch {
	case len(m.Key) > MaxKey:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrKey, len(m.Key), MaxKey)
	case !utf8.ValidString(m.Key), strings.ContainsFunc(m.Key, isControl):
		return fmt.Errorf("%w: it must be UTF-8 without control characters", ErrKey)
	case m.TTL < 0:
		return fmt.Errorf("%w: the TTL is negative", ErrKey)
	}
	return nil
}

// Text returns an unnamed text message.
func Text(s string) Message { return Message{Data: []byte(s)} }

// JSON returns a message named event whose data is v in JSON. The error wraps that of
// json.Marshal. The name is checked when the message is sent (ErrEvent).
func JSON(event string, v any) (Message, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("session: message %q: %w", event, err)
	}
	return Message{Event: event, Data: data}, nil
}

// CheckEvent returns nil if an application may use name as the event of a message.
// Otherwise the error wraps ErrEvent, and says what is wrong with the name.
func CheckEvent(name string) error {
	switch {
	case len(name) > MaxEvent:
		return fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrEvent, len(name), MaxEvent)
	case strings.HasPrefix(name, "mirage"), name == "open", name == "error", name == "close":
		return fmt.Errorf("%w: %.20q is reserved; "+
			"choose a name that does not begin with mirage and is not open, error or close", ErrEvent, name)
	case !utf8.ValidString(name), strings.ContainsFunc(name, isControl):
		return fmt.Errorf("%w: it must be UTF-8 without control characters", ErrEvent)
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// overhead is what an entry costs beside its payload, in bytes: the ring's slot, the
// Message and its allocation.
const overhead = 96

// Size returns what the message counts against a log's bound, in bytes: its payload, its
// name and a fixed overhead.
func (m *Message) Size() int { return overhead + len(m.Event) + len(m.Key) + len(m.Data) }
