package memory

import (
	"container/list"
	"sync"
	"time"
)

// revokedLogKept is how long a revoked session is remembered.
const revokedLogKept = time.Hour

// memRevoked remembers the sessions that were revoked. A client that presents a position
// in one of them under another id has lost nothing: its user logged out, and in again.
type memRevoked struct {
	mu    sync.Mutex // a leaf: taken while a log's lock is held
	ids   map[uint64]string
	order list.List // of revokedLog, the oldest first

	journaled bool
	unsaved   []revokedLog
}

type revokedLog struct {
	epoch uint64
	until int64
}

// add remembers the session of id for revokedLogKept.
func (r *memRevoked) add(epoch uint64, id string, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids == nil {
		r.ids = make(map[uint64]string)
	}

	for range 2 { // more than are added, so that they do not pile up
		front := r.order.Front()
		if front == nil || front.Value.(revokedLog).until > now {
			break
		}
		delete(r.ids, r.order.Remove(front).(revokedLog).epoch)
	}

	is := revokedLog{epoch, now + int64(revokedLogKept)}
	r.ids[epoch] = id
	r.order.PushBack(is)
	if r.journaled {
		r.unsaved = append(r.unsaved, is)
	}
}

// save appends what was added since the last time to a record.
func (r *memRevoked) save(to *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, is := range r.unsaved {
		to.byte(sectionRevoked)
		to.fixed(is.epoch)
		to.text(r.ids[is.epoch])
		to.int(is.until)
	}
	r.unsaved = r.unsaved[:0]
}

// saveWhole appends everything to a record.
func (r *memRevoked) saveWhole(to *record) {
	r.mu.Lock()
	r.unsaved = r.unsaved[:0]
	for e := r.order.Front(); e != nil; e = e.Next() {
		r.unsaved = append(r.unsaved, e.Value.(revokedLog))
	}
	r.mu.Unlock()
	r.save(to)
}

func (r *memRevoked) load(s *scan) {
	is := revokedLog{epoch: s.fixed()}
	id := s.text()
	is.until = s.int()
	if s.err != nil {
		return
	}
	if r.ids == nil {
		r.ids = make(map[uint64]string)
	}
	if _, ok := r.ids[is.epoch]; !ok {
		r.order.PushBack(is)
	}
	r.ids[is.epoch] = id
}

// another reports whether the session of that epoch was revoked under another id.
func (r *memRevoked) another(epoch uint64, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.ids[epoch]
	return ok && was != id
}
