package frame

import (
	"strconv"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Gap is the data of EventGap: the messages From to To, inclusive, are missing. If the
// server does not know To, it is 0, and null on the wire.
type Gap struct {
	Topic  string `json:"topic,omitempty"` // "" for the session's own messages
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Reason string `json:"reason"`
}

// Ack is the data of EventAck. All of the writer's messages up to number Accepted are
// accepted.
type Ack struct {
	Accepted uint64 `json:"accepted"`
}

// Drain is the data of EventDrain: how many milliseconds the client waits before it
// reconnects.
type Drain struct {
	Retry int64 `json:"retry"`
}

// End is the data of EventEnd: why the client must not reconnect, as an HTTP status, a
// word and a text.
type End struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Code   string `json:"code"`
}

// Up is the data of EventUp, the first block of an upstream batch.
type Up struct {
	Writer string `json:"writer"`
	Base   uint64 `json:"base"`  // the lowest number that the client still holds
	Ack    string `json:"ack"`   // the position up to which the client has everything; may be ""
	Again  bool   `json:"again"` // sent before, to a link that was not resumed

	Leaving bool `json:"leaving,omitempty"` // the page is being closed, and its link ends
	Reload  bool `json:"reload,omitempty"`  // it is being closed because it is reloaded
}

// AppendGap appends a gap: the messages in lost are missing, and the client continues
// after pos. suffix is as in AppendEntries.
func AppendGap(dst []byte, lost Range, pos store.Position, reason string, suffix []byte) []byte {
	dst = appendRange(append(appendControl(dst, EventGap), '{'), lost)
	dst = appendString(append(dst, `,"reason":`...), reason)
	return appendIDWith(append(dst, "}\n"...), pos, suffix)
}

// AppendAck appends the acknowledgement of upstream messages. It is also the heartbeat
// for Mirage's own clients.
func AppendAck(dst []byte, accepted uint64) []byte {
	dst = appendControl(dst, EventAck)
	dst = strconv.AppendUint(append(dst, `{"accepted":`...), accepted, 10)
	return append(dst, "}\n\n"...)
}

// AppendDrain appends the last block of a link whose client should reconnect after retry.
func AppendDrain(dst []byte, retry time.Duration) []byte {
	dst = appendControl(dst, EventDrain)
	dst = strconv.AppendInt(append(dst, `{"retry":`...), max(0, retry.Milliseconds()), 10)
	return append(dst, "}\n\n"...)
}

// AppendRetry is AppendDrain for a plain client: it appends the delay before the
// browser's own reconnect.
func AppendRetry(dst []byte, retry time.Duration) []byte {
	return append(appendRetry(dst, retry), '\n')
}

// AppendEnd appends the last block of a link whose client must not reconnect.
func AppendEnd(dst []byte, status int, code, reason string) []byte {
	dst = appendControl(dst, EventEnd)
	dst = strconv.AppendInt(append(dst, `{"status":`...), int64(status), 10)
	dst = appendString(append(dst, `,"reason":`...), reason)
	dst = appendString(append(dst, `,"code":`...), code)
	return append(dst, "}\n\n"...)
}

// AppendUp appends the first block of an upstream batch.
func AppendUp(dst []byte, up Up) []byte {
	dst = appendControl(dst, EventUp)
	dst = appendString(append(dst, `{"writer":`...), up.Writer)
	dst = strconv.AppendUint(append(dst, `,"base":`...), up.Base, 10)
	dst = appendString(append(dst, `,"ack":`...), up.Ack)
	dst = strconv.AppendBool(append(dst, `,"again":`...), up.Again)
	if up.Leaving {
		dst = append(dst, `,"leaving":true`...)
	}
	if up.Reload {
		dst = append(dst, `,"reload":true`...)
	}
	return append(dst, "}\n\n"...)
}

func appendControl(dst []byte, event string) []byte {
	dst = append(dst, "event: "...)
	dst = append(dst, event...)
	return append(dst, "\ndata: "...)
}

func appendRetry(dst []byte, retry time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, max(0, retry.Milliseconds()), 10)
	return append(dst, '\n')
}
