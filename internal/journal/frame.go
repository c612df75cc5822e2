package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame on the disk, little-endian:
//
//	4 bytes  checksum of the next 12 bytes
//	4 bytes  n, the length of the payload
//	8 bytes  the sequence number, and in the highest byte the kind
//	n bytes  the payload
//	4 bytes  checksum of the payload, XORed with the first checksum
//
// The checksums are CRC-32C. They begin with the journal's random id, so that nobody who
// does not know the id can send a payload that has a valid frame in it. The last bytes of
// a frame are a checksum, so a frame that was not written to its end ends in zeros.
const (
	frameHead = 16
	frameTail = 4
	overhead  = frameHead + frameTail

	maxRecord = 1 << 30
)

type kind byte

const (
	kindRecord kind = 1
	kindEnd    kind = 2 // the journal was closed
	kindNext   kind = 3 // after the end of a segment: the journal goes on in the segment of this number
)

const (
	kindShift = 56
	maxSeq    = 1<<kindShift - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frame struct {
	kind    kind
	seq     uint64
	payload []byte
}

func (f frame) size() int64 { return int64(overhead + len(f.payload)) }

// appendFrame appends a frame to b. Sum is the checksum of the payload.
func appendFrame(b []byte, seed uint32, k kind, seq uint64, payload []byte, sum uint32) []byte {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint64(b, uint64(k)<<kindShift|seq)
	headSum := crc32.Update(seed, castagnoli, b[at+4:])
	binary.LittleEndian.PutUint32(b[at:], headSum)
	b = append(b, payload...)
	return binary.LittleEndian.AppendUint32(b, sum^headSum)
}

// parseHead returns what the first bytes of a frame say. It reports whether they are
// intact.
func parseHead(b []byte, seed uint32) (k kind, seq uint64, length int64, ok bool) {
	if len(b) < frameHead {
		return 0, 0, 0, false
	}
	tagged := binary.LittleEndian.Uint64(b[8:])
	k, seq = kind(tagged>>kindShift), tagged&maxSeq
	if k < kindRecord || k > kindNext {
		return 0, 0, 0, false
	}
	ok = crc32.Update(seed, castagnoli, b[4:frameHead]) == binary.LittleEndian.Uint32(b)
	return k, seq, int64(binary.LittleEndian.Uint32(b[4:])), ok
}

// parseFrame returns the frame at the beginning of b. It reports whether it is intact.
func parseFrame(b []byte, seed uint32) (frame, bool) {
	k, seq, length, ok := parseHead(b, seed)
	if !ok || int64(len(b)) < overhead+length {
		return frame{}, false
	}
	payload := b[frameHead : frameHead+length]
	sum := crc32.Update(seed, castagnoli, payload) ^ binary.LittleEndian.Uint32(b)
	return frame{k, seq, payload}, sum == binary.LittleEndian.Uint32(b[frameHead+length:])
}

// findFrame returns the offset of the first intact frame in b, after one that is not
// intact and has the sequence number bad. It reports whether there is one.
func findFrame(b []byte, seed uint32, bad uint64) (int64, bool) {
	for i := 1; i+overhead <= len(b); i++ {
		// No frame is shorter than overhead, so the numbers grow no faster than that.
		tagged := binary.LittleEndian.Uint64(b[i+8:])
		if seq := tagged & maxSeq; tagged>>kindShift == 0 || seq <= bad || seq > bad+uint64(i/overhead)+1 {
			continue
		}
		if _, ok := parseFrame(b[i:], seed); ok {
			return int64(i), true
		}
	}
	return 0, false
}

// isIncomplete reports whether b, which has no intact frame at its beginning, has the
// beginning of one and then only zeros, as a write leaves it that was interrupted.
func isIncomplete(b []byte, seed uint32) bool {
	used := usedBytes(b)
	_, _, length, ok := parseHead(b, seed)
	if !ok {
		return used < frameHead
	}

	end := frameHead + length
	switch {
	case used <= end:
		return true
	case used >= end+frameTail:
		return false
	}

	// Some bytes of the last checksum are there. They are a beginning of the right one.
	want := crc32.Update(seed, castagnoli, b[frameHead:end]) ^ binary.LittleEndian.Uint32(b)
	return string(binary.LittleEndian.AppendUint32(nil, want)[:used-end]) == string(b[end:used])
}

// usedBytes returns the length of b without the zeros at its end.
func usedBytes(b []byte) int64 {
	n := len(b)
	for ; n >= 8 && binary.LittleEndian.Uint64(b[n-8:]) == 0; n -= 8 {
	}
	for ; n > 0 && b[n-1] == 0; n-- {
	}
	return int64(n)
}

// successor returns the number that a frame of kind kindNext has.
func successor(payload []byte) uint32 {
	if len(payload) != 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(payload)
}
