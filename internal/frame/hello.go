package frame

import (
	"strconv"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Hello is the data of EventHello.
type Hello struct {
	ID        string `json:"id"`
	Previous  string `json:"previous"`  // the id that ID replaces, or ""
	Mirage    string `json:"mirage"`    // the signed id, or "" for clients that use the cookie
	Reader    string `json:"reader"`    // the reader's name
	Link      string `json:"link"`      // the link token
	Resumed   bool   `json:"resumed"`   // no messages are missing
	Reason    string `json:"reason"`    // why not, or ""
	Lost      *Range `json:"lost"`      // the missing messages, nil if none are missing
	Sent      uint64 `json:"sent"`      // the highest number ever written to the session
	Accepted  uint64 `json:"accepted"`  // the writer's last number
	Heartbeat int64  `json:"heartbeat"` // in milliseconds
}

// A Range is the messages From to To, inclusive. If the server does not know To, it is 0,
// and null on the wire.
type Range struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

// RangeOf returns the range of lost.
func RangeOf(lost store.Lost) Range { return Range{From: lost.From, To: lost.To} }

// AppendHello appends the first block of a link. pos is the position after which the link
// continues. A positive retry is the delay before the browser's own reconnect. suffix is
// as in AppendEntries.
func AppendHello(dst []byte, pos store.Position, retry time.Duration, h *Hello, suffix []byte) []byte {
	return appendIDWith(appendHello(dst, retry, h), pos, suffix)
}

// AppendHelloAndGap is AppendHello for a client that does not read hello and has lost
// h.Lost. It appends a gap after the hello. Only the gap has the position, so a client
// whose link is cut between the two is told again.
func AppendHelloAndGap(dst []byte, pos store.Position, retry time.Duration, h *Hello, suffix []byte) []byte {
	dst = append(appendHello(dst, retry, h), '\n')
	return AppendGap(dst, *h.Lost, pos, h.Reason, suffix)
}

// appendHello appends the block without its id and its end.
func appendHello(dst []byte, retry time.Duration, h *Hello) []byte {
	if retry > 0 {
		dst = appendRetry(dst, retry)
	}

	dst = appendControl(dst, EventHello)
	dst = appendString(append(dst, `{"id":`...), h.ID)
	dst = appendString(append(dst, `,"previous":`...), h.Previous)
	dst = appendString(append(dst, `,"mirage":`...), h.Mirage)
	dst = appendString(append(dst, `,"reader":`...), h.Reader)
	dst = appendString(append(dst, `,"link":`...), h.Link)
	dst = strconv.AppendBool(append(dst, `,"resumed":`...), h.Resumed)
	dst = appendString(append(dst, `,"reason":`...), h.Reason)

	dst = appendLost(append(dst, `,"lost":`...), h.Lost)
	dst = strconv.AppendUint(append(dst, `,"sent":`...), h.Sent, 10)
	dst = strconv.AppendUint(append(dst, `,"accepted":`...), h.Accepted, 10)
	dst = strconv.AppendInt(append(dst, `,"heartbeat":`...), h.Heartbeat, 10)
	return append(dst, "}\n"...)
}

func appendLost(dst []byte, lost *Range) []byte {
	if lost == nil {
		return append(dst, "null"...)
	}
	return append(appendRange(append(dst, '{'), *lost), '}')
}

// appendRange appends the two fields of a range.
func appendRange(dst []byte, r Range) []byte {
	dst = strconv.AppendUint(append(dst, `"from":`...), r.From, 10)
	dst = append(dst, `,"to":`...)
	if r.To == 0 {
		return append(dst, "null"...)
	}
	return strconv.AppendUint(dst, r.To, 10)
}
