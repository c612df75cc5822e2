package memory

import (
	"container/list"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// memLog is a session in memory. Its parts are: the entries (this file), the readers and
// their links (reader.go) and the writers (writer.go).
//
// What each message needs stands together in front: of many sessions, each one's memory
// is far away when its turn comes.
type memLog struct {
	own     memHandle  // the first handle, and mostly the only one
	mu      sync.Mutex // guards all that can change, but for watch
	gone    error      // why the session is over; nil while it lives
	handle  *memHandle // what Open returns; another one after each Move
	floor   uint64     // the oldest entry, top+1 without any
	bytes   int64
	entries ring
	woken   bool                    // the watchers were woken, and nobody has read since
	watch   atomic.Pointer[watcher] // the first
	store   *Store
	epoch   uint64
	bounds  *store.Bounds     // shared with other logs, never changed
	past    *past             // nil mostly
	mark    uint64            // the highest seq that any reader acknowledged or presented
	sent    uint64            // the highest seq that was ever read by a link
	only    map[uint64]string // the entries that are for one reader alone, and its name
	readers []*memReader      // in the order in which they came
	links   int32             // of all readers, ended ones included
	members int32             // what the readers, links and writers count against the budget
	writers []memWriter       // least recent first

	undelivered []undelivered // in the order in which the readers were forgotten

	bar int64 // values signed until then do not count in this log (I13)
	// requests that came before that belong to the time when its id was moved (I14), or
	// before the last Renew (I7); 0 none
	since   int64
	resting *list.Element
	first   uint64 // links have higher numbers
	number  uint64 // of the last link
	renewed uint64 // and at the last Renew or Move
	departs uint64 // counts departures
	watches uint64 // counts watchers
}

// past is what a log was before.
type past struct {
	id     string   // before it was moved
	until  int64    // when id is forgotten
	epochs []uint64 // of sessions that were joined to it

	// What came with them while a broadcast was under way, which may reach both.
	joined []*store.Message
}

// history returns the past, for writing.
func (l *memLog) history() *past {
	if l.past == nil {
		l.past = new(past)
	}
	return l.past
}

// idleLog is a log's place among those without links.
type idleLog struct {
	log   *memLog
	until int64
}

func (l *memLog) top() uint64 { return l.floor + uint64(l.entries.n) - 1 }

func (l *memLog) position(seq uint64) store.Position { return store.Position{Epoch: l.epoch, Seq: seq} }

// needsWake reports whether the watchers are to be woken for an entry; else every link is
// about to read.
func (l *memLog) needsWake() bool {
	wake := !l.woken
	l.woken = true
	return wake
}

// broadcast appends m at that tick, whatever id the log has, and reports that id if there
// is no room. What has come by a join already does not come twice.
func (l *memLog) broadcast(m *store.Message, at uint32) (id string, err error) {
	l.mu.Lock()
	err = l.gone
	if err == nil && !l.came(m) {
		_, err = l.append(m, "", at)
	}

	wake := err == nil && l.needsWake()
	if err != nil {
		id = l.handle.as.id
	}
	l.mu.Unlock()

	if wake {
		l.wake()
	}
	return id, err
}

// came reports whether m has come from a session that was joined to this one.
func (l *memLog) came(m *store.Message) bool {
	return l.past != nil && slices.Contains(l.past.joined, m)
}

func (l *memLog) append(m *store.Message, reader string, at uint32) (store.Position, error) {
	if reader != "" && l.reader(reader) == nil {
		return store.Position{}, store.ErrNotFound
	}
	return l.put(m, reader, at)
}

func (l *memLog) put(m *store.Message, reader string, at uint32) (store.Position, error) {
	size := int64(m.Size())
	if size > math.MaxUint32 || !l.room(size) {
		return store.Position{}, store.ErrFull
	}

	if l.past != nil && l.past.joined != nil && l.store.broadcasts.Load() == 0 {
		l.past.joined = nil
	}

	if l.entries.n > 0 { // somebody may have looked at the clock later and been faster
		at = max(at, l.entries.at(l.entries.n-1).at)
	}
	l.entries.push(slot{m, at, uint32(size)})
	l.bytes += size
	top := l.top()

	if reader != "" {
		if l.only == nil {
			l.only = make(map[uint64]string)
		}
		l.only[top] = reader
	}
	return l.position(top), nil
}

// room makes room for an entry of that size, takes it from the budget, and tells
// whether it could; if not, nothing has left. Who yields is D5's order, and no more
// leaves than must.
func (l *memLog) room(size int64) bool {
	last, freed, ok := l.must(size)
	if !ok || last >= l.floor && !l.may(last) || size != freed && !l.store.reserve(size-freed) {
		return false
	}
	l.leave(last)
	return true
}

// must finds the last entry that has to leave for one more of that size, and the bytes
// that this frees. ok is false if all would not do.
func (l *memLog) must(size int64) (last uint64, freed int64, ok bool) {
	for n := range l.entries.n + 1 {
		if l.entries.n-n < l.bounds.MaxMessages && l.bytes-freed+size <= l.bounds.MaxBytes && l.store.has(size-freed) {
			return l.floor + uint64(n) - 1, freed, true
		}
		if n < l.entries.n {
			freed += int64(l.entries.at(n).size)
		}
	}
	return 0, 0, false
}

// may tells whether the entries up to seq may leave for a new one.
func (l *memLog) may(seq uint64) bool {
	if l.bounds.Overflow == store.OverflowDropOldest {
		return true
	}
	l.forget()
	return seq <= l.passed(pressed) || l.linked() && seq <= l.passed(yielding) || seq <= l.passed(stalling)
}

// need says how much readers are asked to give up.
type need uint8

const (
	easy     need = iota // nothing: what a plain reader was sent stays for the retention
	pressed              // what a plain reader was sent may leave
	yielding             // and what only readers without a link have not passed
	stalling             // and what only these and stalled ones have not passed
)

// passed is the highest entry that may leave.
func (l *memLog) passed(n need) uint64 {
	low, aged := uint64(math.MaxUint64), l.top()
	if n == easy {
		aged = l.aged()
	}

	for _, r := range l.readers {
		at := r.acked
		if r.plain {
			at = max(at, min(r.sent, aged))
		}
		if n >= yielding && len(r.links) == 0 || n == stalling && l.stalled(r, at) {
			continue
		}
		low = min(low, at)
	}

	if n == easy {
		for i := range l.undelivered {
			low = min(low, l.undelivered[i].Lost.From-1)
		}
	}

	switch {
	case low < math.MaxUint64:
		return low
	case n == stalling: // nobody is live
		return 0
	}
	return l.mark // nobody is there: a reader to come starts at the mark
}

// stalled reports whether a reader that has passed seq has had the next entry before it,
// and taken nothing, for as long as Bounds.Stall.
func (l *memLog) stalled(r *memReader, seq uint64) bool {
	if l.bounds.Stall == 0 || seq >= l.top() {
		return false
	}
	since := max(r.took, int64(l.entries.at(int(max(seq+1, l.floor)-l.floor)).at)*tick)
	for i := range r.links {
		if r.links[i].end == nil {
			since = max(since, r.links[i].heard)
		}
	}
	return since <= l.store.now()-int64(l.bounds.Stall)
}

// aged is the highest entry that is older than the retention, and a tick.
func (l *memLog) aged() uint64 {
	before := (l.store.now() - int64(l.bounds.Retention)) / tick
	n := sort.Search(l.entries.n, func(i int) bool { return int64(l.entries.at(i).at) >= before })
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
		freed += int64(l.entries.pop().size)
		if name := l.only[l.floor]; name != "" {
			l.miss(l.floor, name)
			delete(l.only, l.floor)
		}
		l.floor++
	}
	l.bytes -= freed
	return freed
}

// absorb takes over what another session left behind. For keep it is the one that this
// log was before.
func (l *memLog) absorb(other store.Ended, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()

	h := l.history()
	h.id, h.until = other.ID, l.store.now()+int64(keep)
	h.epochs = append(h.epochs, other.Epoch)
	if len(h.epochs) > 8 {
		h.epochs = h.epochs[1:]
	}

	for _, e := range other.Messages {
		if l.holds(e.Message) {
			continue
		}
		p, err := l.put(e.Message, e.Reader, l.store.tick())
		if err != nil {
			return // as far as there is room
		}
		if e.Reader != "" && l.reader(e.Reader) == nil {
			l.expect(e.Reader, p.Seq)
		}
		if l.store.broadcasts.Load() > 0 {
			h.joined = append(h.joined, e.Message)
		}
	}
}

// holds reports whether m is in the log: a broadcast reaches both sessions of a join.
func (l *memLog) holds(m *store.Message) bool {
	for i := range l.entries.n {
		if l.entries.at(i).message == m {
			return true
		}
	}
	return false
}

// rename lets the log go on under another id, without its links and its old handle.
// Values of that id that were signed until bar do not count in it.
func (l *memLog) rename(to string, bar int64, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.history()
	h.id, h.until = l.handle.as.id, l.store.now()+int64(keep)
	l.handle = &memHandle{l, &openedAs{id: to, moves: l.handle.as.moves + 1}}
	l.bar, l.since = bar, 0
	l.renewed = l.number // should the id come back, links of its first time do not
	for _, r := range l.readers {
		l.unlink(r, store.ErrMoved)
	}
	l.markIdle()
}

// end closes the log for ever and returns what no reader has.
func (l *memLog) end(why error) store.Ended {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.endLocked(why)
}

func (l *memLog) endLocked(why error) store.Ended {
	ended := store.Ended{ID: l.handle.as.id, Epoch: l.epoch, Messages: l.unread()}
	l.gone = why
	l.trim(l.top())
	l.store.used.Add(-sessionCost - int64(l.members))
	l.markActive()
	l.readers, l.writers = nil, nil
	return ended
}

// expire ends a log that has rested for its retention.
func (l *memLog) expire() (store.Ended, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil || l.resting == nil || l.resting.Value.(*idleLog).until > l.store.now() {
		return store.Ended{}, false
	}
	return l.endLocked(store.ErrNotFound), true
}

// markIdle puts the log in the line of those without links, from now, unless it is there.
func (l *memLog) markIdle() {
	if l.resting != nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.resting = l.store.idle.PushBack(&idleLog{l, l.store.now() + int64(l.bounds.Retention)})
}

// markActive takes it out of that line again.
func (l *memLog) markActive() {
	if l.resting == nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.store.idle.Remove(l.resting)
	l.resting = nil
}

// A watcher is one of those to wake. The list of them is copied on write, so that waking
// needs no lock.
type watcher struct {
	wake   func()
	number uint64
	next   *watcher
}

// without returns the list without the watcher of that number.
func (w *watcher) without(number uint64) *watcher {
	switch {
	case w == nil:
		return nil
	case w.number == number:
		return w.next
	}
	return &watcher{w.wake, w.number, w.next.without(number)}
}

// watched adds a watcher.
func (l *memLog) watched(wake func()) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watches++
	number := l.watches
	l.watch.Store(&watcher{wake, number, l.watch.Load()})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watch.Store(l.watch.Load().without(number))
	}
}

// wake tells the watchers; called without the lock.
func (l *memLog) wake() {
	for w := l.watch.Load(); w != nil; w = w.next {
		w.wake()
	}
}
