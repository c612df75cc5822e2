package websocket

import (
	"bytes"
	"encoding/binary"
	"net"
)

const (
	opText = 0x81 // with FIN
	opPing = 0x89
	opPong = 0x8a

	maxControl = 125 // the most bytes of a control frame's payload

	// maxFrame is the most bytes of a text frame, unless one block is larger. A client
	// can use a frame only when it has arrived whole.
	maxFrame = 16 << 10
)

// frames appends the frames of one write: a ping if it is time for one, text frames with
// b and the replies, the pong, and the close frame.
func (w *writer) frames(dst, b []byte) (_ []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.state.writes() {
		return dst, net.ErrClosed
	}
	if len(b) > 0 {
		if dst, err = w.appendPingLocked(dst); err != nil {
			w.moveLocked(stateBroken)
			return dst, err
		}
	}

	for n := w.cut(b); n < len(b); n = w.cut(b) {
		dst = append(appendHeader(dst, n), b[:n]...)
		b = b[n:]
	}
	if n := len(b) + len(w.replies); n > 0 {
		dst = append(append(appendHeader(dst, n), b...), w.replies...)
		if w.replies = w.replies[:0]; cap(w.replies) > keepReplies {
			w.replies = nil
		}
		w.changed.Broadcast()
	}

	dst = append(dst, w.pong...)
	w.pong = nil
	if w.state == stateClosing {
		dst = append(dst, w.last...)
		w.last = nil
		w.moveLocked(stateSent)
	}
	return dst, nil
}

// cut returns how many bytes of b go into one frame.
func (w *writer) cut(b []byte) int {
	limit := maxFrame
	if !w.greeted && len(b) > 0 { // hello has a frame of its own: on a slow network it must not wait for what follows
		w.greeted, limit = true, 0
	}
	if len(b) <= limit {
		return len(b)
	}
	if i := bytes.LastIndex(b[:limit], blank); i >= 0 {
		return i + len(blank)
	}
	from := max(0, limit-1)
	if i := bytes.Index(b[from:], blank); i >= 0 {
		return from + i + len(blank)
	}
	return len(b)
}

// blank ends a block. No block contains it.
var blank = []byte("\n\n")

// appendHeader appends the header of a text frame of n bytes.
func appendHeader(dst []byte, n int) []byte {
	switch {
	case n <= maxControl:
		return append(dst, opText, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, opText, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, opText, 127), uint64(n))
}
