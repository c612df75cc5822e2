package frame

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

// AppendMessage appends the block of one downstream message. pos is the position after
// it.
//
// The id is the last line, as in every block here. Many clients store an id as soon as
// its line arrives. If the link were cut between the id and the data, they would have the
// id of a message that they have not delivered.
//
// Text is sent unchanged, one data line for each of its lines. Data that such lines
// cannot carry unchanged (with CR, NUL or invalid UTF-8), and data marked as binary, is
// sent as base64. So a block has at most len(Data) plus seven bytes for each LF in it, or
// 4/3 of len(Data), and about 250 bytes for the other fields.
func AppendMessage(dst []byte, pos store.Position, m *store.Message) []byte {
	return AppendID(appendMessage(dst, m), pos)
}

// AppendEntries appends the blocks of entries of one epoch (the lifetime of a log): those
// of AppendMessage, or of AppendID for an entry that is for another reader. It formats
// the common part of the positions once and copies it.
//
// suffix follows the position in each id. A plain client, which has only one id, gets the
// texts of its positions in topics there. For all others it is nil.
func AppendEntries(dst []byte, epoch uint64, entries []store.Entry, suffix []byte) []byte {
	if hasLineBreak(suffix) {
		suffix = nil
	}
	var head []byte // "id: epoch-", a part of dst
	for i := range entries {
		e := &entries[i]
		if e.Message != nil { // otherwise the id alone, so that this reader's numbers have no hole
			dst = appendMessage(dst, e.Message)
		}
		if head == nil || e.Tag != 0 {
			start := len(dst)
			dst = appendID(dst, store.Position{Epoch: epoch, Seq: e.Seq, Tag: e.Tag})
			head = dst[start : start+bytes.IndexByte(dst[start:], '-')+1]
		} else {
			dst = strconv.AppendUint(append(dst, head...), e.Seq, 10)
		}
		if len(suffix) > 0 {
			dst = append(dst, suffix...)
		}
		dst = append(dst, "\n\n"...)
	}
	return dst
}

// AppendUpstream appends the block of one upstream message. number is the writer's number
// of the message. Text with so many lines that base64 is shorter is sent as base64,
// because the size of the request body is bounded.
func AppendUpstream(dst []byte, number uint64, m *store.Message) []byte {
	if len("data: ")*bytes.Count(m.Data, []byte{'\n'}) > len(m.Data)/3 {
		dst = appendEncoded(appendEvent(dst, m.Event), m)
	} else {
		dst = appendMessage(dst, m)
	}
	dst = strconv.AppendUint(append(dst, "id: "...), number, 10)
	return append(dst, "\n\n"...)
}

// AppendID ends a block with its id. On its own, it is a block that moves the client's
// position and that no application sees.
func AppendID(dst []byte, pos store.Position) []byte {
	return append(appendID(dst, pos), "\n\n"...)
}

// AppendBeat appends the heartbeat for plain clients: a comment line. There is no blank
// line, because some SSE clients call their handler with an empty event for one.
func AppendBeat(dst []byte) []byte { return append(dst, ":\n"...) }

// appendID appends the line of an id without its end.
func appendID(dst []byte, pos store.Position) []byte {
	dst, _ = pos.AppendText(append(dst, "id: "...)) // the error is always nil
	return dst
}

// appendIDWith is AppendID with a suffix: see AppendEntries.
func appendIDWith(dst []byte, pos store.Position, suffix []byte) []byte {
	if dst = appendID(dst, pos); !hasLineBreak(suffix) {
		dst = append(dst, suffix...)
	}
	return append(dst, "\n\n"...)
}

// appendIDText ends a block, with an id if there is one.
func appendIDText(dst, id []byte) []byte {
	if len(id) > 0 && !hasLineBreak(id) {
		dst = append(append(append(dst, "id: "...), id...), '\n')
	}
	return append(dst, '\n')
}

func hasLineBreak(b []byte) bool {
	return len(b) > 0 && (bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0)
}

// appendMessage appends the lines of a block without its id and its end.
func appendMessage(dst []byte, m *store.Message) []byte {
	return appendData(appendKey(appendEvent(dst, m.Event), m.Key), m)
}

func appendKey(dst []byte, key string) []byte {
	if key == "" {
		return dst
	}
	return append(append(append(dst, "key: "...), keyName(key)...), '\n')
}

func appendData(dst []byte, m *store.Message) []byte {
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

// isText reports whether data lines carry data unchanged to every SSE client. A data line
// also ends at CR, some clients drop or refuse NUL, and EventSource replaces invalid
// UTF-8.
func isText(data []byte) bool {
	return bytes.IndexByte(data, '\r') < 0 && bytes.IndexByte(data, 0) < 0 && utf8.Valid(data)
}

// eventName is the last line of defence behind store.CheckEvent: the name of a control
// event, and a name with a line break or longer than store.MaxEvent, never reaches the
// wire. It is replaced by a name that no handler listens for, so that the message does
// not reach the wrong handler.
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
