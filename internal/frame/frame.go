// Package frame encodes and parses the text format that every transport of Mirage
// carries: the event block of Server-Sent Events (WHATWG HTML §9.2,
// https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// The Append functions encode. They append whole blocks to a buffer that the caller
// reuses, and allocate nothing while it has room. No value can contain a line break on
// the wire, so no value can add a field or an event: numbers and positions are typed,
// strings of control events are JSON, a payload is split at LF or encoded, and a
// forbidden name is replaced. An id that the caller has formatted is left out if it has a
// line break. The functions may be called concurrently on different buffers.
//
// Parser decodes whole bodies, or streams in chunks.
//
// Six fields are Mirage's own. An EventSource ignores them, as the standard requires.
// "encoding: base64" says how the data is encoded, and "type: binary" that the
// application gets bytes instead of text. A message of a topic has "topic: name", and
// "key: text" if it has a key. "grow: offset" marks a piece of a growing message: its
// data belongs at that offset, in bytes, and offset 0 replaces what the client has of the
// message. "done: true" marks the last piece.
//
// Down is from the server to the client, up the other way. A reader (a subscriber) gets
// the messages that go down, over a link (a connection), and knows its position (an
// offset). A writer (a producer) sends the messages that go up. A gap is a notice of lost
// messages, hello is the handshake, and drain asks the client to reconnect. A plain
// client, such as an EventSource or curl, does not know Mirage's protocol.
package frame

// The names of the control events, with the types for their JSON data. No message of an
// application can have one of these names: see store.CheckEvent.
const (
	EventHello = "mirage"       // down, the first event of every link: Hello
	EventGap   = "mirage-gap"   // down, before the next message: Gap
	EventAck   = "mirage-ack"   // down, Ack
	EventDrain = "mirage-drain" // down, the link ends and the client reconnects: Drain
	EventEnd   = "mirage-end"   // down, the link ends for good: End
	EventUp    = "mirage-up"    // up, the head of a batch: Up

	EventJoined  = "mirage-joined"  // down, the client has all that the topic retained at its join: Joined
	EventLeft    = "mirage-left"    // down, the client is no member, or no longer: Left
	EventMembers = "mirage-members" // down, who is present in a topic: Members
	EventJoin    = "mirage-join"    // up, the client asks to join topics: Join
	EventLeave   = "mirage-leave"   // up, the client leaves topics: Leave
)
