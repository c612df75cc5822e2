package session

import (
	"sync"
	"time"
)

// revokedLogKept is how long a revoked session is remembered.
const revokedLogKept = time.Hour

// memRevoked remembers the sessions that were revoked: a position in one is worth nothing under
// another id, and its holder has lost nothing there (it logged out, and in again).
type memRevoked struct {
	mu     sync.Mutex // a leaf: taken under a log's
	logs   map[uint64]revokedLog
	untidy int // how many there must be before those whose time is over are looked for
}

type revokedLog struct {
	id    string
	until int64
}

// add remembers the session of id for revokedLogKept.
func (r *memRevoked) add(epoch uint64, id string, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.logs) >= r.untidy {
		for e, l := range r.logs {
			if l.until <= now {
				delete(r.logs, e)
			}
		}
		r.untidy = 2*len(r.logs) + 64
	}
	if r.logs == nil {
		r.logs = make(map[uint64]revokedLog)
	}
	r.logs[epoch] = revokedLog{id, now + int64(revokedLogKept)}
}

// another reports whether the session of that epoch was revoked under another id.
func (r *memRevoked) another(epoch uint64, id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.logs[epoch]
	return ok && l.id != id
}
