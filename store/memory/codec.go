package memory

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A record is written into a journal. Numbers are varints, and texts have their length in
// front.
type record []byte

func (r *record) byte(b byte)       { *r = append(*r, b) }
func (r *record) uint(n uint64)     { *r = binary.AppendUvarint(*r, n) }
func (r *record) int(n int64)       { *r = binary.AppendVarint(*r, n) }
func (r *record) fixed(n uint64)    { *r = binary.LittleEndian.AppendUint64(*r, n) }
func (r *record) text(s string)     { r.uint(uint64(len(s))); *r = append(*r, s...) }
func (r *record) bytes(b []byte)    { r.uint(uint64(len(b))); *r = append(*r, b...) }
func (r *record) lost(l store.Lost) { r.uint(l.From); r.uint(l.To) }

// flags appends up to eight booleans.
func (r *record) flags(all ...bool) {
	var b byte
	for i, set := range all {
		if set {
			b |= 1 << i
		}
	}
	r.byte(b)
}

// optional appends bytes that may be nil.
func (r *record) optional(b []byte) {
	if b == nil {
		r.uint(0)
		return
	}
	r.uint(uint64(len(b)) + 1)
	*r = append(*r, b...)
}

func (r *record) topicPosition(p store.TopicPosition) {
	r.uint(uint64(p.Topic))
	r.uint(uint64(p.Epoch))
	r.uint(p.Seq)
}

func (r *record) message(m *store.Message) {
	r.flags(m.Binary, m.Event != "", m.Key != "", m.TTL != 0)
	if m.Event != "" {
		r.text(m.Event)
	}
	if m.Key != "" {
		r.text(m.Key)
	}
	if m.TTL != 0 {
		r.int(int64(m.TTL))
	}
	r.bytes(m.Data)
}

// errRecord means that a record is not one that this version writes.
var errRecord = errors.New("memory: a record of the journal makes no sense")

// A scan reads a record. The first error makes all later reads return zero.
type scan struct {
	left []byte
	err  error
}

func (s *scan) fail() {
	s.err, s.left = errRecord, nil
}

func (s *scan) byte() byte {
	if len(s.left) == 0 {
		s.fail()
		return 0
	}
	b := s.left[0]
	s.left = s.left[1:]
	return b
}

func (s *scan) uint() uint64 {
	n, size := binary.Uvarint(s.left)
	if size <= 0 {
		s.fail()
		return 0
	}
	s.left = s.left[size:]
	return n
}

func (s *scan) int() int64 {
	n, size := binary.Varint(s.left)
	if size <= 0 {
		s.fail()
		return 0
	}
	s.left = s.left[size:]
	return n
}

func (s *scan) fixed() uint64 {
	if len(s.left) < 8 {
		s.fail()
		return 0
	}
	n := binary.LittleEndian.Uint64(s.left)
	s.left = s.left[8:]
	return n
}

// count reads how many things follow, each of which takes at least one byte.
func (s *scan) count() int {
	n := s.uint()
	if n > uint64(len(s.left)) {
		s.fail()
		return 0
	}
	return int(n)
}

func (s *scan) cut(n int) []byte {
	b := s.left[:n:n]
	s.left = s.left[n:]
	return b
}

func (s *scan) text() string { return string(s.cut(s.count())) }

// bytes returns a copy.
func (s *scan) bytes() []byte { return append([]byte{}, s.cut(s.count())...) }

func (s *scan) optional() []byte {
	n := s.uint()
	if n == 0 {
		return nil
	}
	if n-1 > uint64(len(s.left)) {
		s.fail()
		return nil
	}
	return append([]byte{}, s.cut(int(n-1))...)
}

func (s *scan) lost() store.Lost { return store.Lost{From: s.uint(), To: s.uint()} }

func (s *scan) topicPosition() store.TopicPosition {
	return store.TopicPosition{Topic: uint32(s.uint()), Epoch: uint32(s.uint()), Seq: s.uint()}
}

func (s *scan) message() *store.Message {
	flags, m := s.byte(), new(store.Message)
	m.Binary = flags&1 != 0
	if flags&2 != 0 {
		m.Event = s.text()
	}
	if flags&4 != 0 {
		m.Key = s.text()
	}
	if flags&8 != 0 {
		m.TTL = time.Duration(s.int())
	}
	m.Data = s.bytes()
	return m
}
