package redis

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/mirage-go/mirage/store"
)

// An entry in Redis consists of its tag (4 bytes), the time when it was appended (6,
// written by the script), flags (1), and the lengths of event (2) and reader (2),
// followed by reader, event and data. The scripts return an entry for another reader as
// its tag alone.
//
// The entry of a message with Key or TTL ends with the key, its length (2 bytes), when
// the message was sent (6, in milliseconds), and when its TTL is over (6; 0 is never).
// Sent to Redis, the last two are 0 and the TTL, and the script completes them.
const (
	head       = 15
	binaryData = 1 // in the byte after the time
	special    = 2
	trailer    = 14
)

var errEntry = errors.New("redis: an entry is not one of ours")

func encode(m *store.Message, reader string) (entry string, tag uint32) {
	tag = rand.Uint32() | 1<<31 // a tag is never zero
	b := make([]byte, head, head+len(reader)+len(m.Event)+len(m.Data))
	binary.BigEndian.PutUint32(b, tag)
	if m.Binary {
		b[10] = binaryData
	}
	binary.BigEndian.PutUint16(b[11:], uint16(len(m.Event)))
	binary.BigEndian.PutUint16(b[13:], uint16(len(reader)))
	b = append(b, reader...)
	b = append(b, m.Event...)
	b = append(b, m.Data...)
	if m.Key != "" || m.TTL > 0 {
		b[10] |= special
		b = append(b, m.Key...)
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.Key)))
		b = appendInt48(b, 0)
		b = appendInt48(b, ttlMillis(m.TTL))
	}
	return string(b), tag
}

// ttlMillis returns a TTL in milliseconds, 0 for none. Redis's clock counts in them.
func ttlMillis(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return max(1, ttl.Milliseconds())
}

func appendInt48(b []byte, n int64) []byte {
	return append(b, binary.BigEndian.AppendUint64(nil, uint64(n))[2:]...)
}

func int48(s string) int64 {
	return int64(binary.BigEndian.Uint64(append([]byte{0, 0}, s[:6]...)))
}

// sentAt returns an entry with Key or TTL with the time when the message was sent.
func sentAt(entry string, ms int64) string {
	at := len(entry) - 12
	return entry[:at] + string(appendInt48(nil, ms)) + entry[at+6:]
}

// isSpecial reports whether the message has Key or TTL.
func isSpecial(entry string) bool { return entry[10]&special != 0 }

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
	m := &store.Message{Event: rest[readers : readers+events], Binary: raw[10]&binaryData != 0}
	data := rest[readers+events:]
	if isSpecial(raw) {
		var err error
		if data, err = decodeTrailer(m, data); err != nil {
			return e, err
		}
	}
	m.Data = []byte(data)
	e.Message = m
	return e, nil
}

// decodeNth decodes the i-th entry of an answer. The first of them has the number first.
// If that is 0, they are of a sparse log, and each comes after its number (6 bytes).
func decodeNth(first uint64, i int, raw string) (store.Entry, error) {
	if first > 0 {
		return decode(first+uint64(i), raw)
	}
	if len(raw) < 6 {
		return store.Entry{}, errEntry
	}
	return decode(uint64(int48(raw)), raw[6:])
}

// decodeTrailer sets the message's Key and TTL, and returns what precedes them.
func decodeTrailer(m *store.Message, data string) (before string, err error) {
	at := len(data) - trailer
	if at < 0 {
		return "", errEntry
	}
	key := at - int(binary.BigEndian.Uint16([]byte(data[at:])))
	if key < 0 {
		return "", errEntry
	}

	m.Key = data[key:at]
	if sent, until := int48(data[at+2:]), int48(data[at+8:]); until > 0 {
		m.TTL = ms(until - sent)
	}
	return data[:key], nil
}

// ms returns so many milliseconds, or the longest duration if they are more.
func ms(n int64) time.Duration {
	if n > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(n) * time.Millisecond
}
