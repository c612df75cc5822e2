package storetest

import (
	"math"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// model is one session according to the contract, in the simplest code: nothing is ever
// deleted, and every search begins at the start. Where the contract leaves a store free,
// the model learns from what the store does. That concerns when exactly an entry leaves
// that may leave (floor is between lo and hi), and whether a cursor that a client brought
// counts as sent.
type model struct {
	fail func(format string, args ...any) // does not return

	id       string
	b        store.Bounds
	epoch    uint64
	all      []said // everything ever appended; all[i] has seq i+1
	lo, hi   uint64 // the oldest remaining entry is one of these
	mark     uint64
	sentLo   uint64 // the highest seq sent to any reader is one of these
	sentHi   uint64
	readers  []*modelReader
	writers  []modelWriter // least recent first
	absorbed []uint64
	moves    int
	bar      time.Time // values signed until then are not valid in it
	since    time.Time // requests from before it belong to a move of its id, or to links that were renewed
	previous string
	prevTil  time.Time
	resting  time.Time // since when there is no link; zero if there is one
	dropped  uint64    // entries up to here left by OverflowDropOldest although a reader needed them
}

type said struct {
	text, to    string
	event, key  string
	size        int64
	at          time.Time // when the log got it
	sent, until time.Time // when it was sent, and when its TTL is over; zero without TTL
	passed      passed
}

// passed says whether a message was superseded, or its TTL was over, before it left the
// log in its turn. Readers pass such an entry over.
type passed uint8

const (
	passedNo    passed = iota // it is in the log, or left in its turn
	passedMaybe               // it is not in the log, for either reason
	passedYes
)

type modelReader struct {
	name         string
	plain, here  bool
	acked, sent  uint64
	told, spoken uint64
	began        uint64 // where a new reader began to read, if it did not present what it has
	left         uint64 // the last departure
	leftAt       time.Time
	links        []*modelLink
}

type modelLink struct {
	ref    store.LinkRef
	log    store.Log // by which it came
	cursor uint64
	heard  time.Time
	over   error
}

type modelWriter struct {
	name string
	last uint64
	busy uint64 // the number that is being handled
}

func newModel(id string, b store.Bounds, fail func(string, ...any)) *model {
	return &model{fail: fail, id: id, b: b, lo: 1, hi: 1, resting: time.Now()}
}

func (m *model) top() uint64 { return uint64(len(m.all)) }

// reader returns the reader of that name that is still remembered, or nil.
func (m *model) reader(name string) *modelReader {
	for _, r := range m.readers {
		if r.name == name && !m.forgotten(r) {
			return r
		}
	}
	return nil
}

func (m *model) forgotten(r *modelReader) bool {
	return len(r.links) == 0 && time.Since(r.leftAt) >= m.b.Retention
}

// overdue reports whether a reader of that name may have been forgotten, but need not.
func (m *model) overdue(name string) bool {
	return m.reader(name) == nil && slices.ContainsFunc(m.readers, func(r *modelReader) bool { return r.name == name })
}

func (m *model) linked() bool {
	return slices.ContainsFunc(m.readers, func(r *modelReader) bool { return len(r.links) > 0 })
}

// passed returns the highest entry that all readers in question have passed.
func (m *model) passed(linkedOnly, plainSent bool) uint64 {
	low := uint64(math.MaxUint64)
	for _, r := range m.readers {
		if m.forgotten(r) || linkedOnly && len(r.links) == 0 {
			continue
		}
		at := r.acked
		for seq := at + 1; r.plain && seq <= min(r.sent, m.top()); seq++ {
			if !plainSent && time.Since(m.all[seq-1].at) < m.b.Retention {
				break
			}
			at = seq
		}
		low = min(low, at)
	}

	if low == math.MaxUint64 {
		return m.mark
	}
	return low
}

// settle records which entries have left because of their TTL, and which may leave at any
// time: those that every reader has passed.
func (m *model) settle() {
	for seq := m.lo; seq <= m.top(); seq++ {
		if s := m.all[seq-1]; !s.until.IsZero() && !time.Now().Before(s.until) {
			m.passOver(seq)
		}
	}
	m.hi = max(m.hi, min(m.passed(false, false), m.top())+1)
}

// needed returns the lowest floor with which a message fits.
func (m *model) needed(s said) uint64 {
	older := m.older(s)
	for floor := uint64(1); floor <= m.top()+1; floor++ {
		n, bytes := 0, int64(0)
		for seq := floor; seq <= m.top(); seq++ {
			if is := m.all[seq-1]; is.passed == passedNo && seq != older {
				n++
				bytes += is.size
			}
		}
		if n < m.b.MaxMessages && bytes+s.size <= m.b.MaxBytes {
			return floor
		}
	}
	return math.MaxUint64
}

// allowed returns the highest floor to which entries may leave for a message that needs
// room.
func (m *model) allowed() uint64 {
	if m.b.Overflow == store.OverflowDropOldest {
		return m.top() + 1
	}
	to := m.passed(false, true)
	if m.linked() {
		to = max(to, m.passed(true, true))
	}
	return min(to, m.top()) + 1
}

// fits reports whether a message must find room, and whether it may.
func (m *model) fits(s said) (must, may bool) {
	need := m.needed(s)
	return need <= max(m.lo, m.allowed()), need <= max(m.hi, m.allowed())
}

// appended checks the store's answer to a message.
func (m *model) appended(s said, full bool, p store.Position) {
	m.settle()
	must, may := m.fits(s)
	need := m.needed(s)
	switch {
	case full && must:
		m.fail("refused a message that needs the floor %d; %d is allowed", need, m.allowed())
	case full:
		m.hi = min(m.hi, max(need-1, m.lo))
		return
	case !may:
		m.fail("took a message that needs the floor %d; only %d is allowed", need, m.allowed())
	}

	m.take(s)
	m.placed(p, m.top())
}

// take appends a message that fits.
func (m *model) take(s said) {
	need := m.needed(s)
	if older := m.older(s); older > 0 {
		m.passOver(older)
	}
	if m.b.Overflow == store.OverflowDropOldest && need > m.hi && need-1 > m.passed(false, true) {
		m.dropped = need - 1
	}
	m.lo, m.hi = max(m.lo, need), max(m.hi, need)
	m.all = append(m.all, s)
}

// placed checks a position that the store returned.
func (m *model) placed(p store.Position, seq uint64) {
	if m.epoch == 0 {
		m.epoch = p.Epoch
	}
	if p.Epoch != m.epoch || p.Epoch == 0 || p.Seq != seq {
		m.fail("position %x-%d, want %x-%d", p.Epoch, p.Seq, m.epoch, seq)
	}
}

// knownFloor takes over that the store revealed that the entries below f have left, and
// no others.
func (m *model) knownFloor(f uint64) {
	if next := m.next(m.hi - 1); f < m.lo || f > m.top()+1 || next < f {
		m.fail("the oldest entry is %d; it must be between %d and %d", f, m.lo, m.hi)
	}
	for seq := m.lo; seq < f; seq++ {
		if m.all[seq-1].passed == passedNo {
			m.lo = seq + 1
		}
	}
	m.remain(f)
}

// gapReason checks why the store says that the entries after seq left. A store that
// drops the oldest may not know at once that all readers had them.
func (m *model) gapReason(after uint64, got store.Missing) {
	drops := m.b.Overflow == store.OverflowDropOldest
	if got == store.MissingOverflow && drops || got == store.MissingTrimmed && after >= m.dropped {
		return
	}
	m.fail("the gap after %d has the reason %q; entries were dropped up to %d, %v", after, got, m.dropped, drops)
}

// knownSent takes over the highest seq sent that the store revealed.
func (m *model) knownSent(s uint64) {
	if s < m.sentLo || s > m.sentHi {
		m.fail("the highest seq ever written is %d; it must be between %d and %d", s, m.sentLo, m.sentHi)
	}
	m.sentLo, m.sentHi = s, s
}

// acknowledge records that the reader has everything up to seq.
func (m *model) acknowledge(r *modelReader, seq uint64) {
	r.acked = max(r.acked, seq)
	m.mark = max(m.mark, seq)
	m.sentHi = max(m.sentHi, seq)
}
