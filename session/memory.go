package session

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/binary"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// Memory is the Store that keeps everything in this process: the fastest, and gone with it. A restart is told to every client
// as Restarted. Make one with NewMemory.
type Memory struct {
	boot   uint32    // the upper half of every epoch
	start  time.Time // what the logs count their time from
	budget int64
	used   atomic.Int64

	mu      sync.RWMutex
	logs    map[string]*memLog
	aliases aliases
	revoked map[string]revocation
	bounds  *Bounds // of the last session made: mostly they are the same for all
	untidy  int     // how many aliases and revocations there must be before tidy looks

	// The logs without links, the one that has been so for longest in front. Its lock is a leaf: it is taken under a log's.
	idleMu sync.Mutex
	idle   list.List
}

type revocation struct{ at, until time.Time }

// sessionCost is what a session without messages counts against the budget: more than one measures with a reader, a link and a writer.
const sessionCost = 1024

// NewMemory returns an empty store. All its sessions together hold at most budget bytes, by the Size of their messages and about 1 KiB
// for each session. The last quarter of it is for messages alone: new sessions are refused before that. Zero means 256 MiB; a
// negative budget is none.
func NewMemory(budget int64) *Memory {
	if budget == 0 {
		budget = 256 << 20
	}
	return &Memory{
		boot:    uint32(random()) | 1, // an epoch is never zero
		start:   time.Now(),
		budget:  budget,
		logs:    make(map[string]*memLog),
		aliases: newAliases(),
		revoked: make(map[string]revocation),
	}
}

// random returns 64 random bits, never zero.
func random() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return max(1, binary.LittleEndian.Uint64(b[:]))
}

func (s *Memory) now() int64 { return int64(time.Since(s.start)) }

// tick is now in ticks.
func (s *Memory) tick() uint32 { return uint32(s.now() / tick) }

// reserve takes n bytes from the budget if they are there. To give some back never fails.
func (s *Memory) reserve(n int64) bool {
	if used := s.used.Add(n); n > 0 && s.budget >= 0 && used > s.budget {
		s.used.Add(-n)
		return false
	}
	return true
}

// has tells whether n bytes of the budget are left at this moment.
func (s *Memory) has(n int64) bool { return n <= 0 || s.budget < 0 || s.used.Load()+n <= s.budget }

// Open implements Store.
func (s *Memory) Open(_ context.Context, id string, create bool, b Bounds) (Log, bool, error) {
	s.mu.RLock()
	l := s.logs[id]
	s.mu.RUnlock()
	if l != nil {
		return l, false, nil
	}
	if !create {
		return nil, false, ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[id]; l != nil {
		return l, false, nil
	}
	// The last quarter is for the messages of sessions that exist: strangers alone cannot take it.
	if !s.has(s.budget/4) || !s.reserve(sessionCost) {
		return nil, false, ErrBudget
	}
	if s.bounds == nil || *s.bounds != b {
		s.bounds = &b
	}
	first := random() >> 12
	l = &memLog{store: s, id: id, epoch: uint64(s.boot)<<32 | random()>>32, bounds: s.bounds, floor: 1, first: first, number: first}
	s.logs[id] = l
	l.rest()
	return l, true, nil
}

// Resolve implements Store.
func (s *Memory) Resolve(_ context.Context, id string, signed time.Time, client string) (string, bool, error) {
	now := time.Now()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.revoked[id]; ok && now.Before(r.until) && !signed.After(r.at) {
		return id, true, nil
	}
	if len(s.aliases.origin[id]) > 0 { // its holder has the new id: the old ones are over
		s.mu.RUnlock()
		s.mu.Lock()
		s.aliases.settle(id)
		s.mu.Unlock()
		s.mu.RLock()
	}
	return s.aliases.find(id, client, now), false, nil
}

// Move implements Store.
func (s *Memory) Move(_ context.Context, from, to, client string, keep time.Duration) error {
	if from == to {
		return nil
	}
	old, target := s.move(from, to, client, keep)
	if old != nil {
		old.wake()
	}
	if target != nil {
		target.wake()
	}
	return nil
}

func (s *Memory) move(from, to, client string, keep time.Duration) (old, target *memLog) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if client != "" && keep > 0 {
		s.tidy()
		s.aliases.add(from, to, client, time.Now().Add(keep))
	}
	s.aliases.drop(to) // it is in use again, if it ever moved away
	old, target = s.logs[from], s.logs[to]
	if old == nil {
		return nil, nil
	}
	delete(s.logs, from)
	if target == nil {
		s.logs[to] = old
		old.rename(to, keep)
		return old, nil
	}
	over := old.end(ErrMoved)
	target.absorb(over.Epoch, over.Messages)
	return old, target
}

// tidy forgets what has run out. It is called under mu when something is added, and looks only when there is twice what it left.
func (s *Memory) tidy() {
	if len(s.aliases.moved)+len(s.revoked) < s.untidy {
		return
	}
	now := time.Now()
	s.aliases.expire(now)
	for id, r := range s.revoked {
		if !now.Before(r.until) {
			delete(s.revoked, id)
		}
	}
	s.untidy = 2*(len(s.aliases.moved)+len(s.revoked)) + 64
}

// End implements Store.
func (s *Memory) End(_ context.Context, id string, refuse time.Duration) (Ended, error) {
	s.mu.Lock()
	why := ErrNotFound
	if refuse > 0 {
		s.tidy()
		s.aliases.settle(id)
		now := time.Now()
		until := now.Add(refuse)
		if r := s.revoked[id]; r.until.After(until) {
			until = r.until
		}
		s.revoked[id] = revocation{now, until}
		why = ErrRevoked
	}
	l := s.logs[id]
	if l == nil {
		s.mu.Unlock()
		return Ended{}, ErrNotFound
	}
	delete(s.logs, id)
	ended := l.end(why)
	s.mu.Unlock()
	l.wake()
	return ended, nil
}

// Expired implements Store.
func (s *Memory) Expired(_ context.Context, max int) (Due, error) {
	var due Due
	for len(due.Ended) < max {
		l, wait := s.oldestIdle()
		if l == nil {
			return due, nil
		}
		if wait > 0 {
			due.Next = wait
			return due, nil
		}
		s.mu.Lock()
		over, ok := l.expire()
		if ok { // else a link came, or somebody was faster
			delete(s.logs, over.ID)
			due.Ended = append(due.Ended, over)
		}
		s.mu.Unlock()
	}
	due.Next = 1 // there may be more at once
	return due, nil
}

// oldestIdle returns the log that has been without links for longest, and how long it still has.
func (s *Memory) oldestIdle() (*memLog, time.Duration) {
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	front := s.idle.Front()
	if front == nil {
		return nil, 0
	}
	rest := front.Value.(*rest)
	return rest.log, time.Duration(rest.until - s.now())
}

// all returns the logs.
func (s *Memory) all() []*memLog {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*memLog, 0, len(s.logs))
	for _, l := range s.logs {
		all = append(all, l)
	}
	return all
}

// IDs implements Store.
func (s *Memory) IDs(context.Context) iter.Seq2[string, error] {
	s.mu.RLock()
	ids := make([]string, 0, len(s.logs))
	for id := range s.logs {
		ids = append(ids, id)
	}
	s.mu.RUnlock()
	return func(yield func(string, error) bool) {
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
	}
}
