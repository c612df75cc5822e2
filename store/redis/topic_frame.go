package redis

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// What the scripts of topics keep and publish. See lua/topic/log.lua for the values.

var errTopicData = errors.New("redis: the data of a topic is not ours")

// The body of a message begins with flags, the TTL, and the lengths of event and key.
const (
	bodyHead = 1 + 8 + 2 + 2

	flagBinary    = 1
	flagGrows     = 2
	flagContinues = 4
	flagDone      = 8
)

// encodeBody returns the body of a publication.
func encodeBody(p *store.Publication) string {
	m := p.Message
	b := make([]byte, bodyHead, bodyHead+len(m.Event)+len(m.Key)+len(m.Data))
	b[0] = flagIf(m.Binary, flagBinary) | flagIf(p.Grows, flagGrows) |
		flagIf(p.Continues, flagContinues) | flagIf(p.Done, flagDone)
	binary.BigEndian.PutUint64(b[1:], uint64(max(0, m.TTL)))
	binary.BigEndian.PutUint16(b[9:], uint16(len(m.Event)))
	binary.BigEndian.PutUint16(b[11:], uint16(len(m.Key)))
	b = append(b, m.Event...)
	b = append(b, m.Key...)
	return string(append(b, m.Data...))
}

func flagIf(set bool, flag byte) byte {
	if set {
		return flag
	}
	return 0
}

func decodeBody(b string) (p store.Publication, err error) {
	if len(b) < bodyHead {
		return p, errTopicData
	}
	u := unpacker{rest: b}
	flags := u.bytes(1)[0]
	m := &store.Message{Binary: flags&flagBinary != 0, TTL: time.Duration(u.uint64())}
	events, keys := u.uint16(), u.uint16()
	m.Event, m.Key = u.bytes(events), u.bytes(keys)
	m.Data = []byte(u.rest)
	return store.Publication{
		Message: m, Grows: flags&flagGrows != 0, Continues: flags&flagContinues != 0, Done: flags&flagDone != 0,
	}, u.err
}

// fieldOf names what can supersede the message. It is empty for a message without a key.
func fieldOf(m *store.Message) string {
	if m.Key == "" {
		return ""
	}
	return m.Event + "\x00" + m.Key
}

// A frame says what one publish has done.
type frame struct {
	epoch uint32
	prev  uint64 // the tag of the message before; 0 for the first one
	seq   uint64
	tag   uint64
	at    int64 // in nanoseconds
	// what the log retains after it
	messages int
	bytes    int64
	base     uint64
	store.Publication
}

// frameHead is the length of a frame without the body.
const frameHead = 4 + 8 + 8 + 8 + 4*8

func (f *frame) decode(s string) error {
	u := unpacker{rest: s}
	f.epoch, f.prev, f.seq, f.tag = u.uint32(), u.uint64(), u.uint64(), u.uint64()
	f.at = int64(u.uint64()) * int64(time.Microsecond)
	f.messages, f.bytes, f.base = int(u.uint64()), int64(u.uint64()), u.uint64()
	return u.err
}

// An ending says where an epoch has ended, and the name of its log.
type ending struct {
	epoch uint32
	top   uint64
	tag   uint64
	log   uint32
}

func (e *ending) decode(s string) error {
	u := unpacker{rest: s}
	e.epoch, e.top, e.tag, e.log = u.uint32(), u.uint64(), u.uint64(), u.uint32()
	return u.err
}

// savedEntry decodes a message that does not grow any more.
func savedEntry(seq uint64, value string, grown map[uint64]*topiclog.SavedGrowth) (m topiclog.SavedMessage, err error) {
	u := unpacker{rest: value}
	at, until, _, first, tag := u.uint64(), u.uint64(), u.uint64(), u.uint64(), u.uint64()
	if u.err != nil {
		return m, u.err
	}
	p, err := decodeBody(u.rest)
	m = topiclog.SavedMessage{Seq: seq, Tag: tag, At: nanos(at), Until: nanos(until), Message: p.Message}
	if first > 0 {
		if m.Growth = grown[first]; m.Growth == nil {
			return m, errTopicData
		}
		m.Growth.Sealed = true
	}
	return m, err
}

// savedGrowing decodes a message that still grows.
func savedGrowing(record string, grown map[uint64]*topiclog.SavedGrowth) (m topiclog.SavedMessage, err error) {
	u := unpacker{rest: record}
	u.bytes(1)
	first, seq, at, until, length, last, _, tag :=
		u.uint64(), u.uint64(), u.uint64(), u.uint64(), u.uint64(), u.uint64(), u.uint64(), u.uint64()
	g := grown[first]
	if u.err != nil || g == nil || uint64(len(g.Text)) != length || last > length {
		return m, errTopicData
	}
	p, err := decodeBody(u.rest + string(g.Text[length-last:]))
	return topiclog.SavedMessage{
		Seq: seq, Tag: tag, At: nanos(at), Until: nanos(until), Message: p.Message, Growth: g,
	}, err
}

// savedGrowth decodes the text of a message with pieces.
func savedGrowth(first uint64, text, ends string) (*topiclog.SavedGrowth, error) {
	g := &topiclog.SavedGrowth{First: first, Text: []byte(text)}
	u := unpacker{rest: ends}
	for u.rest != "" && u.err == nil {
		g.Ends = append(g.Ends, topiclog.SavedPiece{Seq: u.uint64(), End: int(u.uint32())})
	}
	if n := len(g.Ends); u.err != nil || n == 0 || g.Ends[n-1].End != len(text) {
		return nil, errTopicData
	}
	return g, nil
}

func nanos(micros uint64) int64 { return int64(micros) * int64(time.Microsecond) }

// An unpacker reads what Lua's struct.pack has written.
type unpacker struct {
	rest string
	err  error
}

func (u *unpacker) bytes(n int) string {
	if len(u.rest) < n {
		u.err = errTopicData
		u.rest = ""
		return string(make([]byte, n))
	}
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) uint16() int    { return int(binary.BigEndian.Uint16([]byte(u.bytes(2)))) }
func (u *unpacker) uint32() uint32 { return binary.BigEndian.Uint32([]byte(u.bytes(4))) }
func (u *unpacker) uint64() uint64 { return binary.BigEndian.Uint64([]byte(u.bytes(8))) }
