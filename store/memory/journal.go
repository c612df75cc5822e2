package memory

import (
	"sync"
	"sync/atomic"
)

// A recorder is where a Store saves what its steps change, if it has one: package disk
// gives it a journal. See save.go for what is saved, and load.go for how it is read.
//
// A step appends its record before it unlocks the log: if another step could see an entry
// that is not saved, a killed process would give its number to another message. So a slow
// disk makes the steps on that session wait, and Open, Move and End make all wait.
type recorder interface {
	// Append adds a record. Once it has returned, a killed process does not lose it.
	// mark is for Commit.
	Append(record []byte) (mark uint64, err error)
	// Commit waits until the record survives a loss of power, if that is demanded.
	Commit(mark uint64) error
	// Full reports whether there is no room for records of steps that add something.
	Full() bool
	// Current returns the number of the segment to which records are added.
	Current() uint32
}

// journaling is the state of a Store with a journal.
type journaling struct {
	recorder
	live    atomic.Int64 // about how many bytes it would take to rewrite everything
	closed  bool         // nothing is saved any more; guarded by Store.mu
	idsBase uint32       // no segment before that has what is needed of the ids' states; guarded by Store.mu
	records sync.Pool    // of *record
}

// A record consists of sections. Each begins with its kind.
const (
	sectionLog     byte = 1 + iota // what has changed of a log
	sectionID                      // the state of an id
	sectionRevoked                 // a session that was revoked
	sectionClock                   // the time
	sectionTopic                   // what has changed of a topic
)

// isFull reports whether there is no room for what a step adds.
func (s *Store) isFull() bool { return s.journal != nil && s.journal.Full() }

// begin returns an empty record, for append.
func (j *journaling) begin() *record {
	r, _ := j.records.Get().(*record)
	if r == nil {
		r = new(record)
	}
	*r = (*r)[:0]
	return r
}

// append adds the record, unless it is empty. The journal notes its errors itself: it is
// behind from then on, and everything is rewritten once there is room.
func (j *journaling) append(r *record) (mark uint64) {
	if len(*r) > 0 {
		mark, _ = j.Append(*r)
	}
	if cap(*r) <= 64<<10 {
		j.records.Put(r)
	}
	return mark
}

// commit waits until a step may be answered. It is called without a lock.
func (s *Store) commit(mark uint64) {
	if mark != 0 {
		_ = s.journal.Commit(mark)
	}
}

// unlock saves what a step has changed, and unlocks the log.
func (l *memLog) unlock() {
	if l.saved != nil {
		l.store.commit(l.release())
		return
	}
	l.mu.Unlock()
}

// release is unlock for a step that holds the store's lock: the caller commits the mark
// when it has released that, too.
func (l *memLog) release() (mark uint64) {
	if l.saved != nil {
		r := l.store.journal.begin()
		l.save(r)
		mark = l.store.journal.append(r)
	}
	l.mu.Unlock()
	return mark
}

// saveStep saves what a step has changed of ids and logs, in one record, so that a killed
// process does not leave half of it. The caller holds the locks of the store and of the
// logs.
func (s *Store) saveStep(logs ...*memLog) (mark uint64) {
	if s.journal == nil {
		return 0
	}
	r := s.journal.begin()
	s.ids.save(r)
	s.over.save(r)
	for _, l := range logs {
		l.save(r)
	}
	return s.journal.append(r)
}
