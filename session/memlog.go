package session

import (
	"container/list"
	"context"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// memLog is a session in memory. Its parts are: the entries (this file), the readers and their links (memreader.go) and the writers
// (memwriter.go).
type memLog struct {
	store *Memory
	epoch uint64
	watch atomic.Pointer[[]*func()] // copied on write, so that waking needs no lock

	mu       sync.Mutex
	id       string
	bounds   Bounds
	gone     error // why the session is over; nil while it lives
	previous string
	prevTil  int64    // until when previous is remembered
	absorbed []uint64 // epochs of sessions that were joined to this one
	resting  *list.Element

	entries ring
	floor   uint64 // the oldest entry, top+1 without any
	bytes   int64
	mark    uint64 // the highest seq that any reader acknowledged or presented
	sent    uint64 // the highest seq that was ever read by a link

	readers []*memReader // in the order in which they came
	writers []memWriter  // least recent first
	first   uint64       // links have higher numbers
	number  uint64       // of the last link
	departs uint64       // counts departures
}

// rest is a log's place among those without links.
type rest struct {
	log   *memLog
	until int64
}

func (l *memLog) top() uint64 { return l.floor + uint64(l.entries.n) - 1 }

func (l *memLog) position(seq uint64) Position { return Position{Epoch: l.epoch, Seq: seq} }

// Append implements Log.
func (l *memLog) Append(_ context.Context, m *Message, reader string) (Position, error) {
	l.mu.Lock()
	p, err := l.append(m, reader)
	l.mu.Unlock()
	if err == nil {
		l.wake()
	}
	return p, err
}

func (l *memLog) append(m *Message, reader string) (Position, error) {
	if l.gone != nil {
		return Position{}, l.gone
	}
	if reader == "" {
		return l.put(m, nil)
	}
	r := l.reader(reader)
	if r == nil {
		return Position{}, ErrNotFound
	}
	return l.put(m, &r.name)
}

func (l *memLog) put(m *Message, reader *string) (Position, error) {
	size := int64(m.Size())
	if !l.room(size) {
		return Position{}, ErrFull
	}
	l.entries.push(slot{m, reader, l.store.now(), size})
	l.bytes += size
	return l.position(l.top()), nil
}

// room makes room for an entry of that size, takes it from the budget, and tells whether it could; if not, nothing has left. Who yields
// is D5's order, and no more leaves than must.
func (l *memLog) room(size int64) bool {
	last, freed, ok := l.must(size)
	if !ok || last >= l.floor && !l.may(last) || size != freed && !l.store.reserve(size-freed) {
		return false
	}
	l.leave(last)
	return true
}

// must finds the last entry that has to leave for one more of that size, and the bytes that this frees. ok is false if all would not do.
func (l *memLog) must(size int64) (last uint64, freed int64, ok bool) {
	for n := range l.entries.n + 1 {
		if l.entries.n-n < l.bounds.Messages && l.bytes-freed+size <= l.bounds.Bytes && l.store.has(size-freed) {
			return l.floor + uint64(n) - 1, freed, true
		}
		if n < l.entries.n {
			freed += l.entries.at(n).size
		}
	}
	return 0, 0, false
}

// may tells whether the entries up to seq may leave for a new one.
func (l *memLog) may(seq uint64) bool {
	if l.bounds.Overflow == DropOldest {
		return true
	}
	l.forget()
	return seq <= l.passed(pressed) || l.linked() && seq <= l.passed(yielding)
}

// need says how much readers are asked to give up.
type need uint8

const (
	easy     need = iota // nothing: what a plain reader was sent stays for the retention
	pressed              // what a plain reader was sent may leave
	yielding             // and what only readers without a link have not passed
)

// passed is the highest entry that may leave.
func (l *memLog) passed(n need) uint64 {
	low, aged := uint64(math.MaxUint64), l.top()
	if n == easy {
		aged = l.aged()
	}
	for _, r := range l.readers {
		if n == yielding && len(r.links) == 0 {
			continue
		}
		at := r.acked
		if r.plain {
			at = max(at, min(r.sent, aged))
		}
		low = min(low, at)
	}
	if low == math.MaxUint64 { // nobody is there: a reader to come starts at the mark
		return l.mark
	}
	return low
}

// aged is the highest entry that is older than the retention.
func (l *memLog) aged() uint64 {
	before := l.store.now() - int64(l.bounds.Retention)
	n := sort.Search(l.entries.n, func(i int) bool { return l.entries.at(i).at > before })
	return l.floor + uint64(n) - 1
}

// trim removes the entries up to seq and gives their room back.
func (l *memLog) trim(seq uint64) {
	if freed := l.leave(seq); freed > 0 {
		l.store.used.Add(-freed)
	}
}

// leave removes the entries up to seq and tells how much room that is.
func (l *memLog) leave(seq uint64) (freed int64) {
	for l.entries.n > 0 && l.floor <= seq {
		freed += l.entries.pop().size
		l.floor++
	}
	l.bytes -= freed
	return freed
}

// above returns the entries above seq.
func (l *memLog) above(seq uint64) []Entry {
	var left []Entry
	for at := max(seq+1, l.floor); at <= l.top(); at++ {
		s := l.entries.at(int(at - l.floor))
		e := Entry{Seq: at, Message: s.message}
		if s.reader != nil {
			e.Reader = *s.reader
		}
		left = append(left, e)
	}
	return left
}

// absorb takes over what another session left behind.
func (l *memLog) absorb(epoch uint64, left []Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.absorbed = append(l.absorbed, epoch)
	if len(l.absorbed) > 8 {
		l.absorbed = l.absorbed[1:]
	}
	for _, e := range left {
		var reader *string
		if e.Reader != "" {
			reader = &e.Reader
		}
		if _, err := l.put(e.Message, reader); err != nil {
			return // as far as there is room
		}
	}
}

// rename lets the log go on under another id, without its links.
func (l *memLog) rename(to string, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.previous, l.prevTil = l.id, l.store.now()+int64(keep)
	l.id = to
	for _, r := range l.readers {
		l.unlink(r, ErrMoved)
	}
	l.rest()
}

// end closes the log for ever and returns what no reader has.
func (l *memLog) end(why error) Ended {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endLocked(why)
}

func (l *memLog) endLocked(why error) Ended {
	ended := Ended{ID: l.id, Epoch: l.epoch, Messages: l.above(l.mark)}
	l.gone = why
	l.trim(l.top())
	l.store.used.Add(-sessionCost)
	l.stir()
	l.readers, l.writers = nil, nil
	return ended
}

// expire ends a log that has rested for its retention.
func (l *memLog) expire() (Ended, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil || l.resting == nil || l.resting.Value.(*rest).until > l.store.now() {
		return Ended{}, false
	}
	return l.endLocked(ErrNotFound), true
}

// rest puts the log in the line of those without links, from now, unless it is there.
func (l *memLog) rest() {
	if l.resting != nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.resting = l.store.idle.PushBack(&rest{l, l.store.now() + int64(l.bounds.Retention)})
}

// stir takes it out again.
func (l *memLog) stir() {
	if l.resting == nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.store.idle.Remove(l.resting)
	l.resting = nil
}

// Watch implements Log.
func (l *memLog) Watch(wake func()) (stop func()) {
	w := &wake
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setWatch(append(slices.Clone(l.watchers()), w))
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.setWatch(slices.DeleteFunc(slices.Clone(l.watchers()), func(o *func()) bool { return o == w }))
	}
}

func (l *memLog) watchers() []*func() {
	if ws := l.watch.Load(); ws != nil {
		return *ws
	}
	return nil
}

func (l *memLog) setWatch(ws []*func()) { l.watch.Store(&ws) }

// wake tells the watchers; called without the lock.
func (l *memLog) wake() {
	for _, w := range l.watchers() {
		(*w)()
	}
}
