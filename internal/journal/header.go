package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	magic      = "mirage-j"
	version    = 1
	headerSize = 4096 // one page: writing the state in place touches no frame

	headerUsed = 136 // with the checksum
	pageUsed   = 2*sector + stateUsed
	stateUsed  = 56
	sector     = 512 // what a disk writes as a whole: the header and the states do not share any
)

// An identity is the random number that all segments of a journal have.
type identity [16]byte

func (id identity) seed() uint32 { return crc32.Checksum(id[:], castagnoli) }

// A header says which segment this is, and how it continues the one before it.
type header struct {
	number uint32
	id     identity
	boot   string // at most 40 bytes
	lock   uint64 // identity of the lock file
	first  uint64 // sequence number of the first frame

	previous uint32 // the segment before, or 0
	end      int64  // offset at which that segment ends
	size     int64  // of this segment's file
	commits  bool   // every answered record was fsynced

	oldest  uint32 // what the state had when the segment was begun
	durable uint64
}

// A state is what is written in place in the header of the last segment, at two places in
// turn. If one of them is not intact, a write was interrupted, and the other one is in
// force.
type state struct {
	version uint64 // grows with each write
	behind  bool
	oldest  uint32    // segments before this one are no longer needed
	durable uint64    // frames below this sequence number are on the disk
	time    time.Time // when the state was written

	// Of the frames from gapFrom up to gapTo, some may be missing although they are below
	// durable: the disk reported an error when they were fsynced.
	gapFrom, gapTo uint64
}

func (h header) encode() []byte {
	b := make([]byte, headerUsed)
	le := binary.LittleEndian
	copy(b, magic)
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], h.number)
	copy(b[16:32], h.id[:])
	copy(b[32:72], h.boot)
	le.PutUint64(b[72:], h.first)
	le.PutUint32(b[80:], h.previous)
	if h.commits {
		le.PutUint32(b[84:], 1)
	}
	le.PutUint64(b[88:], uint64(h.end))
	le.PutUint64(b[96:], uint64(h.size))
	le.PutUint32(b[104:], h.oldest)
	le.PutUint64(b[112:], h.durable)
	le.PutUint64(b[120:], h.lock)
	le.PutUint32(b[132:], crc32.Checksum(b[:132], castagnoli))
	return b
}

// headerKind is what the first bytes of a segment's file are.
type headerKind int

const (
	headerBlank   headerKind = iota // zeros: the segment is prepared
	headerValid                     //
	headerVersion                   // of another version
	headerBad
)

// parseHeader returns the header in b, or its version if that is another one.
func parseHeader(b []byte) (header, headerKind) {
	if usedBytes(b[:min(len(b), sector)]) == 0 {
		return header{}, headerBlank
	}
	le := binary.LittleEndian
	if len(b) < headerUsed || string(b[:8]) != magic {
		return header{}, headerBad
	}
	if v := le.Uint32(b[8:]); v != version && v != 0 {
		return header{number: v}, headerVersion
	}
	if le.Uint32(b[132:]) != crc32.Checksum(b[:132], castagnoli) {
		return header{}, headerBad
	}

	h := header{
		number: le.Uint32(b[12:]), boot: strings.TrimRight(string(b[32:72]), "\x00"), lock: le.Uint64(b[120:]),
		first: le.Uint64(b[72:]), previous: le.Uint32(b[80:]), commits: le.Uint32(b[84:]) == 1,
		end: int64(le.Uint64(b[88:])), size: int64(le.Uint64(b[96:])),
		oldest: le.Uint32(b[104:]), durable: le.Uint64(b[112:]),
	}
	copy(h.id[:], b[16:32])
	if h.first > maxSeq/2 || h.end < 0 {
		return header{}, headerBad
	}
	return h, headerValid
}

// offset is where the state is written.
func (s state) offset() int64 { return sector * int64(1+s.version%2) }

func (s state) encode(seed uint32) []byte {
	b := make([]byte, stateUsed)
	le := binary.LittleEndian
	if s.behind {
		le.PutUint32(b[4:], 1)
	}
	le.PutUint64(b[8:], s.version)
	le.PutUint32(b[16:], s.oldest)
	le.PutUint64(b[24:], s.durable)
	le.PutUint64(b[32:], uint64(s.time.UnixNano()))
	le.PutUint64(b[40:], s.gapFrom)
	le.PutUint64(b[48:], s.gapTo)
	le.PutUint32(b, crc32.Update(seed, castagnoli, b[4:]))
	return b
}

func parseState(b []byte, seed uint32) (state, bool) {
	le := binary.LittleEndian
	if len(b) < stateUsed || le.Uint32(b) != crc32.Update(seed, castagnoli, b[4:stateUsed]) {
		return state{}, false
	}
	return state{
		behind: le.Uint32(b[4:]) != 0, version: le.Uint64(b[8:]), oldest: le.Uint32(b[16:]), durable: le.Uint64(b[24:]),
		time:    time.Unix(0, int64(le.Uint64(b[32:]))),
		gapFrom: le.Uint64(b[40:]), gapTo: le.Uint64(b[48:]),
	}, true
}

// lastState returns the state that a segment's first page has. It reports whether there
// is one; if not, the journal counts as behind.
func lastState(page []byte, h header) (last state, found bool) {
	last = state{behind: true, oldest: h.oldest, durable: h.durable}
	for at := sector; at <= 2*sector && at < len(page); at += sector {
		if s, ok := parseState(page[at:], h.id.seed()); ok && s.version >= last.version {
			last, found = s, true
		}
	}
	return last, found
}

// firstPage returns the first page of a segment.
func firstPage(h header, s state) []byte {
	page := make([]byte, headerSize)
	copy(page, h.encode())
	copy(page[s.offset():], s.encode(h.id.seed()))
	return page
}

const suffix = ".journal"

func segmentName(number uint32) string { return fmt.Sprintf("%010d%s", number, suffix) }

// segmentNumber returns the number of a segment's file. It reports whether name is one.
func segmentNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 10 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n > 0 && n < math.MaxUint32
}
