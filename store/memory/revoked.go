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

	r.ids[epoch] = id
	r.order.PushBack(revokedLog{epoch, now + int64(revokedLogKept)})
}

// another reports whether the session of that epoch was revoked under another id.
func (r *memRevoked) another(epoch uint64, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.ids[epoch]
	return ok && was != id
}
