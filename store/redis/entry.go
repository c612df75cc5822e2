package redis

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/mirage-go/mirage/store"
)

// An entry in Redis consists of its tag (4 bytes), the time when it was appended (6,
// written by the script), whether it is binary (1), and the lengths of event (2) and
// reader (2), followed by reader, event and data. The scripts return an entry for another
// reader as its tag alone.
const head = 15

var errEntry = errors.New("redis: an entry is not one of ours")

func encode(m *store.Message, reader string) (entry string, tag uint32) {
	tag = rand.Uint32() | 1<<31 // a tag is never zero
	b := make([]byte, head, head+len(reader)+len(m.Event)+len(m.Data))
	binary.BigEndian.PutUint32(b, tag)
	if m.Binary {
		b[10] = 1
	}
	binary.BigEndian.PutUint16(b[11:], uint16(len(m.Event)))
	binary.BigEndian.PutUint16(b[13:], uint16(len(reader)))
	b = append(b, reader...)
	b = append(b, m.Event...)
	return string(append(b, m.Data...)), tag
}

func decode(seq uint64, raw string) (store.Entry, error) {
	if len(raw) < 4 {
		return store.Entry{}, errEntry
	}

	e := store.Entry{Seq: seq, Tag: binary.BigEndian.Uint32([]byte(raw[:4]))}
	if len(raw) == 4 {
		return e, nil
	}

	if len(raw) < head {
		return e, errEntry
	}
	events := int(binary.BigEndian.Uint16([]byte(raw[11:13])))
	readers := int(binary.BigEndian.Uint16([]byte(raw[13:15])))
	if len(raw) < head+readers+events {
		return e, errEntry
	}

	rest := raw[head:]
	e.Reader = unescape(rest[:readers])
	e.Message = &store.Message{
		Event:  rest[readers : readers+events],
		Data:   []byte(rest[readers+events:]),
		Binary: raw[10] == 1,
	}
	return e, nil
}
