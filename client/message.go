package client

import (
	"encoding/json"
	"fmt"
)

// A Message is one message to or from the server. Send reads Event, Data, Binary and
// Trace. The other fields are set in messages from the server.
type Message struct {
	// Event is the name of the event, or "".
	Event string
	// Data is the payload. Of a growing message it is the piece that is new.
	Data []byte
	// Binary marks Data as bytes. Otherwise it is text.
	Binary bool
	// Trace is the trace context of a message to the server: a W3C traceparent of version
	// 00. It travels with the message, also when it is sent again, and reaches the
	// handler as Incoming.Trace. Anything else is left out. It is empty for messages from
	// the server.
	Trace string

	// Again reports whether the message may have been delivered before: by a program that
	// crashed, or by a loop that ended before it asked for the next message.
	Again bool
	// Topic is the topic of the message, or "" if it is the session's.
	Topic string
	// Key is what the message is about, or "". See mirage.Message.
	Key string

	// Grows reports whether the message is growing. All pieces of it have the same Event
	// and Key.
	Grows bool
	// Whole is what has come of a growing message so far, including Data. If it is as
	// long as Data, the message begins, perhaps again: after a loss it comes whole. Whole
	// shares memory with that of other pieces: do not change it. It is nil if the message
	// has more than 1 MiB, or if its beginning came to an earlier client: join from
	// FromStart to get all of it.
	Whole []byte
	// Done reports whether this is the last piece of a growing message.
	Done bool

	ack func()
}

// JSON returns a message named event whose data is v in JSON.
func JSON(event string, v any) (Message, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("client: message %q: %w", event, err)
	}
	return Message{Event: event, Data: data}, nil
}

// Ack marks a message of the server as delivered, as asking for the next one does. Call
// it before you leave the loop, if the message is not to come again.
func (m *Message) Ack() {
	if m.ack != nil {
		m.ack()
	}
}
