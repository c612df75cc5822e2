package memory

import (
	"sort"

	"github.com/mirage-go/mirage/store"
)

// sparse is what a log has from its first message with Key or TTL on. Such an entry may
// leave before older ones, so that the numbers of the remaining ones are not consecutive.
// Readers pass it over, and nothing is lost (M1, M3). Its slot stays, without a message,
// until it is the oldest one, or until many slots are like that.
//
// A log without sparse has consecutive entries from floor on. floor itself is in both
// cases the number after the last entry that left in its turn, which is a gap for a
// reader that has not passed it.
type sparse struct {
	top    uint64
	places ring[place]       // of the slots, in the same order
	dead   int               // how many slots have no message
	latest map[uint64]uint64 // the entries with Key, by the hash of their subject
	mortal int               // how many entries have a TTL
	ends   expiries          // of these, and of some that have left
}

// place is what a slot of a sparse log needs beyond the slot.
type place struct {
	seq uint64
	lifetime
}

// makeSparse prepares the log for messages with Key or TTL.
func (l *memLog) makeSparse() {
	sp := &sparse{top: l.top()}
	for i := range l.entries.n {
		sp.places.push(place{seq: l.floor + uint64(i)})
	}
	l.sparse = sp
	l.account()
}

// top returns the number of the last entry that was appended.
func (l *memLog) top() uint64 {
	if l.sparse != nil {
		return l.sparse.top
	}
	return l.floor + uint64(l.entries.n) - 1
}

// live returns how many entries the log holds.
func (l *memLog) live() int {
	if l.sparse != nil {
		return l.entries.n - l.sparse.dead
	}
	return l.entries.n
}

// seqAt returns the number of the i-th slot.
func (l *memLog) seqAt(i int) uint64 {
	if l.sparse != nil {
		return l.sparse.places.at(i).seq
	}
	return l.floor + uint64(i)
}

// next returns which slot has the first entry after seq, which must not be below floor-1.
// If there is no such entry, it is l.entries.n or more.
func (l *memLog) next(seq uint64) int {
	if l.sparse != nil {
		return l.sparse.next(l, seq)
	}
	return int(seq + 1 - l.floor)
}

func (sp *sparse) next(l *memLog, seq uint64) int {
	i := sort.Search(sp.places.n, func(i int) bool { return sp.places.at(i).seq > seq })
	for i < l.entries.n && l.entries.at(i).message == nil {
		i++
	}
	return i
}

// isLast reports whether there is no entry after seq.
func (l *memLog) isLast(seq uint64) bool {
	return seq >= l.top() || l.sparse != nil && l.next(seq) == l.entries.n
}

// find returns the slot of a sparse log that has the entry of that number.
func (l *memLog) find(seq uint64) (i int, ok bool) {
	i = l.sparse.next(l, seq-1)
	return i, i < l.entries.n && l.sparse.places.at(i).seq == seq
}

// readSparse is Read's part that reads the entries of a sparse log for a reader.
func (l *memLog) readSparse(
	reader string, after uint64, room int, dst []store.Entry,
) (_ []store.Entry, last uint64, more bool) {
	first := true
	for i := l.next(after); i < l.entries.n; i++ {
		s, seq := l.entries.at(i), l.sparse.places.at(i).seq
		if s.message == nil {
			continue
		}
		if room -= int(s.size); room < 0 && !first {
			return dst, after, true
		}
		e := store.Entry{Seq: seq}
		if name := l.only[seq]; name == "" || name == reader {
			e.Message = s.message
		}
		dst = append(dst, e)
		after, first = seq, false
	}
	return dst, after, false
}
