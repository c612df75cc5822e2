// Package frame writes and reads the one text that every transport of Mirage carries: the
// event block of Server-Sent Events (WHATWG HTML §9.2,
// https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// The Append functions are the way out. They append whole blocks to a buffer that the
// caller reuses and allocate nothing while it has room. Every value has a type or a form
// that cannot hold a line break on the wire, so that none can add a field or an event:
// numbers and positions are typed, strings of control events are JSON, a payload is split
// at LF or encoded, a name that is not allowed is replaced. They may be called
// concurrently on different buffers.
//
// Parser is the way in, for whole bodies and for streams in chunks.
//
// Two fields are Mirage's own, and an EventSource ignores them as the standard asks:
// "encoding: base64" says how the data travels, "type: binary" that the application gets
// bytes instead of text.
package frame

// The names of the control events, and the types that encoding/json reads their data
// into. No message of an application can bear one: see store.CheckEvent.
const (
	EventHello = "mirage"       // down, the first event of every link: Hello
	EventGap   = "mirage-gap"   // down, before the next message: Gap
	EventAck   = "mirage-ack"   // down, Ack
	EventDrain = "mirage-drain" // down, the link ends and the client comes back: Drain
	EventEnd   = "mirage-end"   // down, the link ends for good: End
	EventUp    = "mirage-up"    // up, the head of a batch: Up
)
