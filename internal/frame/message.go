package frame

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

// AppendMessage appends the block of one message on its way down; pos is the position
// after it.
//
// Its id is its last line, as in every block here. Many clients take an id as soon as its
// line comes: a cut between it and the data would leave them with the id of a message
// that they have not delivered.
//
// Text travels as it is, one data line for each of its lines. What such lines cannot
// carry unchanged, that is CR, NUL and invalid UTF-8, and everything that is marked as
// binary, travels as base64. So a block has at most len(Data) plus seven bytes for each
// LF in it, or 4/3 of len(Data), and about 250 bytes for the other fields.
func AppendMessage(dst []byte, pos store.Position, m *store.Message) []byte {
	return AppendID(appendMessage(dst, m), pos)
}

// AppendEntries appends the blocks of entries of one epoch: AppendMessage for each, or
// AppendID where it is for another reader, but what the positions have in common is
// written once and copied.
func AppendEntries(dst []byte, epoch uint64, entries []store.Entry) []byte {
	var head []byte // "id: epoch-", a part of dst
	for i := range entries {
		e := &entries[i]
		if e.Message != nil { // without one the numbers of this reader have no hole either
			dst = appendMessage(dst, e.Message)
		}
		if head == nil || e.Tag != 0 {
			start := len(dst)
			dst = AppendID(dst, store.Position{Epoch: epoch, Seq: e.Seq, Tag: e.Tag})
			head = dst[start : start+bytes.IndexByte(dst[start:], '-')+1]
		} else {
			dst = append(strconv.AppendUint(append(dst, head...), e.Seq, 10), "\n\n"...)
		}
	}
	return dst
}

// AppendUpstream appends the block of one message on its way up; number is its writer's
// number of it. Text of so many lines that base64 is shorter travels so, because the body
// that it goes into is bounded.
func AppendUpstream(dst []byte, number uint64, m *store.Message) []byte {
	if len("data: ")*bytes.Count(m.Data, []byte{'\n'}) > len(m.Data)/3 {
		dst = appendEncoded(appendEvent(dst, m.Event), m)
	} else {
		dst = appendMessage(dst, m)
	}
	dst = strconv.AppendUint(append(dst, "id: "...), number, 10)
	return append(dst, "\n\n"...)
}

// AppendID ends a block with its id. Alone it is a block that moves the client's position
// and that no application sees.
func AppendID(dst []byte, pos store.Position) []byte {
	dst, _ = pos.AppendText(append(dst, "id: "...)) // the error is always nil
	return append(dst, "\n\n"...)
}

// AppendBeat appends the heartbeat for plain clients: a comment line, without the blank
// line for which some readers call their handler with an empty event.
func AppendBeat(dst []byte) []byte { return append(dst, ":\n"...) }

// appendMessage appends the lines of a block but for its id and its end.
func appendMessage(dst []byte, m *store.Message) []byte {
	dst = appendEvent(dst, m.Event)
	if m.Binary || !isText(m.Data) {
		return appendEncoded(dst, m)
	}
	for data := m.Data; ; {
		i := bytes.IndexByte(data, '\n')
		dst = append(dst, "data: "...)
		if i < 0 {
			return append(append(dst, data...), '\n')
		}
		dst = append(dst, data[:i+1]...)
		data = data[i+1:]
	}
}

func appendEvent(dst []byte, name string) []byte {
	if name == "" || name == "message" {
		return dst
	}
	dst = append(dst, "event: "...)
	dst = append(dst, eventName(name)...)
	return append(dst, '\n')
}

func appendEncoded(dst []byte, m *store.Message) []byte {
	dst = append(dst, "encoding: base64\n"...)
	if m.Binary {
		dst = append(dst, "type: binary\n"...)
	}
	dst = append(dst, "data: "...)
	dst = base64.StdEncoding.AppendEncode(dst, m.Data)
	return append(dst, '\n')
}

// isText tells whether data lines carry data unchanged to every reader. A data line ends
// at CR too, NUL is lost or refused by some readers, and EventSource replaces what is not
// UTF-8.
func isText(data []byte) bool {
	return bytes.IndexByte(data, '\r') < 0 && bytes.IndexByte(data, 0) < 0 && utf8.Valid(data)
}

// eventName is the last line of defence behind store.CheckEvent: a name with a line
// break, of a control event or longer than store.MaxEvent never reaches the wire. In its
// place stands a name that nobody listens for, since under any other the message would
// reach the wrong listener.
func eventName(name string) string {
	bad := len(name) > store.MaxEvent || strings.HasPrefix(name, EventHello)
	for i := 0; i < len(name) && !bad; i++ {
		bad = name[i] < ' '
	}
	if bad {
		return "\uFFFD"
	}
	return name
}
