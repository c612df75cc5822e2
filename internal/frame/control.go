package frame

import (
	"strconv"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Gap is the data of EventGap: the messages From to To are missing, both included. To is
// 0 where the server cannot know it: null on the wire.
type Gap struct {
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Reason string `json:"reason"`
}

// Ack is the data of EventAck: the highest number up to which the writer's messages are
// accepted.
type Ack struct {
	Accepted uint64 `json:"accepted"`
}

// Drain is the data of EventDrain: how many milliseconds the client waits before it comes
// back.
type Drain struct {
	Retry int64 `json:"retry"`
}

// End is the data of EventEnd: why the client must not come back, in the words of HTTP.
type End struct {
	Status int    `json:"status"`
	Reason string `json:"reason"`
}

// Up is the data of EventUp, the first block of an upstream batch.
type Up struct {
	Writer string `json:"writer"`
	Base   uint64 `json:"base"`  // the lowest number that the client still keeps
	Ack    string `json:"ack"`   // the position up to which the client has everything, or ""
	Again  bool   `json:"again"` // sent before, to a link that was not resumed

	Leaving bool `json:"leaving,omitempty"` // the page ends: its link does
}

// AppendGap appends the statement that messages are missing. The client goes on after
// pos.
func AppendGap(dst []byte, lost Range, pos store.Position, reason string) []byte {
	dst = appendRange(appendControl(dst, EventGap), lost)
	dst = appendString(append(dst, `,"reason":`...), reason)
	return AppendID(append(dst, "}\n"...), pos)
}

// AppendAck appends the acknowledgement of what came up. It is the heartbeat for Mirage's
// own clients too.
func AppendAck(dst []byte, accepted uint64) []byte {
	dst = appendControl(dst, EventAck)
	dst = strconv.AppendUint(append(dst, `{"accepted":`...), accepted, 10)
	return append(dst, "}\n\n"...)
}

// AppendDrain appends the last block of a link whose client is to come back after retry.
func AppendDrain(dst []byte, retry time.Duration) []byte {
	dst = appendControl(dst, EventDrain)
	dst = strconv.AppendInt(append(dst, `{"retry":`...), max(0, retry.Milliseconds()), 10)
	return append(dst, "}\n\n"...)
}

// AppendRetry appends what AppendDrain is for a plain client: the delay before the
// browser's own reconnect.
func AppendRetry(dst []byte, retry time.Duration) []byte {
	return append(appendRetry(dst, retry), '\n')
}

// AppendEnd appends the last block of a link whose client must not come back.
func AppendEnd(dst []byte, status int, reason string) []byte {
	dst = appendControl(dst, EventEnd)
	dst = strconv.AppendInt(append(dst, `{"status":`...), int64(status), 10)
	dst = appendString(append(dst, `,"reason":`...), reason)
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
