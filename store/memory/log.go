package memory

import (
	"container/list"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// memLog is a session in memory. Its parts are the entries (this file), what leaves when
// it is full (overflow.go), messages with Key or TTL (sparse.go), the readers and their
// links (reader.go), the writers (writer.go), and moves to another id (move.go).
//
// The fields that each message needs come first, next to each other: with many sessions,
// the memory of each is out of the cache when it is used.
type memLog struct {
	own    memHandle  // the first handle, and mostly the only one
	mu     sync.Mutex // guards all fields that change, except watch
	gone   error      // why the session has ended; nil while it lives
	handle *memHandle // what Open returns; replaced by each Move
	logState
	bytes   int64
	loss    loss
	entries ring[slot]
	sparse  *sparse                 // nil until there is a message with Key or TTL
	woken   bool                    // the watchers were woken, and no link has read since
	watches uint32                  // counts watchers
	watch   atomic.Pointer[watcher] // the first
	store   *Store
	epoch   uint64
	bounds  *store.Bounds     // shared with other logs, never changed
	past    *past             // usually nil
	only    map[uint64]string // the entries that are for one reader alone, with its name
	readers []*memReader      // in the order in which they came
	links   int32             // of all readers, ended ones included
	members int32             // what account has taken from the budget
	writers []memWriter       // least recent first
	topics  *memberships      // nil if the session never joined a topic

	undelivered []undelivered // in the order in which the readers were forgotten

	resting *list.Element
	saved   *savedLog // nil without a journal
}

// logState are the numbers of a log. With a journal, what a step has changed of them is
// saved.
type logState struct {
	floor uint64 // the oldest entry; top+1 without any; see sparse for what it is there
	mark  uint64 // the highest seq that any reader acknowledged or presented
	sent  uint64 // the highest seq that any link has read

	bar int64 // values signed until then are not valid in this log (I13)
	// requests that came before that are refused: they are from the time when the id was
	// moved (I14), or from before the last Renew (I7); 0 if there is none
	since   int64
	first   uint64 // links have higher numbers
	number  uint64 // of the last link
	renewed uint64 // of the last link at the last Renew or Move
	departs uint64 // counts departures
}

// past is what a log was before a Move.
type past struct {
	id     string   // the id before the move
	until  int64    // when id is forgotten
	epochs []uint64 // of the sessions that were joined to it

	// The messages that came with them during a broadcast, which may reach both.
	joined []*store.Message
}

// history returns the past for writing.
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

func (l *memLog) position(seq uint64) store.Position { return store.Position{Epoch: l.epoch, Seq: seq} }

// needsWake reports whether the watchers must be woken for an entry. Otherwise every link
// is about to read anyway.
func (l *memLog) needsWake() bool {
	wake := !l.woken
	l.woken = true
	return wake
}

// broadcast appends m at that tick, whatever id the log has. It returns that id if there
// is an error. A message that has already come with a joined session is not appended
// again, nor is one that was sent before a newer one with its Key.
func (l *memLog) broadcast(m *store.Message, at uint32, t lifetime) (id string, err error) {
	l.mu.Lock()
	l.dropExpired()
	switch err = l.gone; {
	case err != nil || l.came(m):
	case l.store.isFull():
		err = store.ErrFull
	default:
		_, err = l.put(m, "", at, &t)
	}
	if err == errOutdated {
		err = nil
	}

	wake := err == nil && l.needsWake()
	if err != nil {
		id = l.handle.as.id
	}
	l.unlock()

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
	if l.store.isFull() {
		return store.Position{}, store.ErrFull
	}
	return l.put(m, reader, at, nil)
}

// put appends m, which was sent now if t is nil.
func (l *memLog) put(m *store.Message, reader string, at uint32, t *lifetime) (store.Position, error) {
	size, seq := int64(m.Size()), uint64(0)
	switch {
	case size > math.MaxUint32:
		return store.Position{}, store.ErrFull
	case l.sparse != nil || m.Key != "" || m.TTL > 0:
		var err error
		if seq, err = l.prepare(m, reader, size, t); err != nil {
			return store.Position{}, err
		}
	case !l.room(size, -1):
		return store.Position{}, store.ErrFull
	default:
		seq = l.floor + uint64(l.entries.n)
	}

	if l.past != nil && l.past.joined != nil && l.store.broadcasts.Load() == 0 {
		l.past.joined = nil
	}

	if l.entries.n > 0 { // another goroutine may have read the clock later, but appended earlier
		at = max(at, l.entries.at(l.entries.n-1).at)
	}
	l.entries.push(slot{m, at, uint32(size)})
	l.bytes += size

	if reader != "" {
		if l.only == nil {
			l.only = make(map[uint64]string)
		}
		l.only[seq] = reader
	}
	return l.position(seq), nil
}

// endLocked closes the log for good, and returns what no reader has.
func (l *memLog) endLocked(why error) store.Ended {
	l.dropExpired()
	ended := store.Ended{ID: l.handle.as.id, Epoch: l.epoch, Messages: l.unread()}
	l.gone = why
	l.trim(l.top())
	l.store.used.Add(-sessionCost - int64(l.members))
	l.dropTopics()
	l.markActive()
	l.readers, l.writers, l.sparse = nil, nil, nil
	return ended
}

// expire ends the log if it has been without links for its retention.
func (l *memLog) expire() (ended store.Ended, mark uint64, ok bool) {
	l.mu.Lock()
	if l.gone == nil && l.resting != nil && l.idleUntil() <= l.store.now() {
		ended, ok = l.endLocked(store.ErrNotFound), true
	}
	return ended, l.release(), ok
}

// markIdle appends the log to the queue of those without links, unless it is in there.
func (l *memLog) markIdle() {
	if l.resting != nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.resting = l.store.idle.PushBack(&idleLog{l, l.store.now() + int64(l.bounds.Retention)})
}

// markActive removes the log from that queue.
func (l *memLog) markActive() {
	if l.resting == nil {
		return
	}
	l.store.idleMu.Lock()
	defer l.store.idleMu.Unlock()
	l.store.idle.Remove(l.resting)
	l.resting = nil
}
