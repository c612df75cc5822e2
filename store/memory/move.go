package memory

import (
	"context"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Move implements Store.
func (s *Store) Move(_ context.Context, from, to string, m store.Moving) ([]store.Left, error) {
	if from == to {
		return nil, nil
	}
	defer s.warnOfIDs()
	s.mu.Lock()
	left, old, target, err := s.move(from, to, &m)
	mark := s.saveMoved(old, target)
	s.mu.Unlock()
	s.commit(mark)
	if old != nil {
		old.wake()
	}
	if target != nil {
		target.wake()
	}
	return left, err
}

// move is Move. It returns the logs that have changed, or nil, with their locks held.
func (s *Store) move(from, to string, m *store.Moving) (left []store.Left, old, target *memLog, err error) {
	if err := s.refused(); err != nil {
		return nil, nil, nil, err
	}

	// The request must still be valid, and the new id must not have been revoked since.
	now := s.clock.read()
	if err := s.ids.states[from].refuse(m.Asked, now); err != nil {
		return nil, nil, nil, err
	}
	bar := s.ids.states[to].revoked(now)
	if !m.Came.IsZero() && m.Came.UnixNano() <= bar {
		return nil, nil, nil, store.ErrRevoked
	}

	// Leave the old id. The new one is in use, even if it was left before.
	at := s.clock.stamp()
	old, target = s.logs[from], s.logs[to]
	s.ids.tidy(at)
	if !s.remembers() {
		return nil, nil, nil, store.ErrBudget
	}
	st := s.ids.change(from)
	st.leave(at, m, old != nil)
	if m.Refuse > 0 {
		s.ids.settle(st)
	}
	if is := s.ids.states[to]; is != nil {
		s.ids.forgetWay(is)
	}
	if m.Client != "" && m.Keep > 0 {
		s.ids.lead(st, to, m.Client, at, at+int64(m.Keep))
	}

	// Move the session.
	if old == nil {
		return nil, nil, nil, nil
	}
	old.mu.Lock()
	delete(s.logs, from)
	left = old.depart(from)
	if target == nil {
		s.logs[to] = old
		old.rename(to, bar, m.Keep)
		return left, old, nil, nil
	}
	target.mu.Lock()
	target.absorb(old.handOver(), m.Keep)
	return left, old, target, nil
}

// saveMoved saves what a Move has changed, in one record, and unlocks the logs.
func (s *Store) saveMoved(logs ...*memLog) (mark uint64) {
	logs = slices.DeleteFunc(logs, func(l *memLog) bool { return l == nil })
	mark = s.saveStep(logs...)
	for _, l := range logs {
		l.mu.Unlock()
	}
	return mark
}

// heritage is what a session leaves to the one that it is joined to.
type heritage struct {
	store.Ended
	lifetimes []lifetime   // of the messages
	members   []membership // of the whole session in topics
}

// handOver ends the log for another one, which absorbs what no reader has. Both are
// locked.
func (l *memLog) handOver() heritage {
	l.dropExpired()
	h := heritage{lifetimes: l.lifetimes(l.unread()), members: l.sessionMemberships()}
	h.Ended = l.endLocked(store.ErrMoved)
	return h
}

// absorb appends what another session left behind, and adds its memberships, as far as
// there is room. For keep, the other session's id counts as this log's previous one. Of
// two messages about the same subject, the one that was sent later stays, whichever
// session it was in.
func (l *memLog) absorb(other heritage, keep time.Duration) {
	l.dropExpired()

	h := l.history()
	h.id, h.until = other.ID, l.store.now()+int64(keep)
	h.epochs = append(h.epochs, other.Epoch)
	if len(h.epochs) > 8 {
		h.epochs = h.epochs[1:]
	}

	l.unite(other.members)
	for i, e := range other.Messages {
		if l.holds(e.Message) {
			continue
		}
		var t lifetime
		if other.lifetimes != nil {
			t = other.lifetimes[i]
		}
		p, err := l.put(e.Message, e.Reader, l.store.tick(), &t)
		switch {
		case err == errOutdated:
		case err != nil:
			return // as far as there is room
		case e.Reader != "" && l.reader(e.Reader) == nil:
			l.expect(e.Reader, p.Seq)
		}
		if l.store.broadcasts.Load() > 0 {
			h.joined = append(h.joined, e.Message)
		}
	}
}

// holds reports whether m is in the log already: a broadcast may reach both sessions of a
// join.
func (l *memLog) holds(m *store.Message) bool {
	for i := range l.entries.n {
		if l.entries.at(i).message == m {
			return true
		}
	}
	return false
}

// rename gives the log another id, and ends its links and its old handle. Values of the
// new id that were signed until bar are not valid in it. The log is locked.
func (l *memLog) rename(to string, bar int64, keep time.Duration) {
	h := l.history()
	h.id, h.until = l.handle.as.id, l.store.now()+int64(keep)
	l.handle = &memHandle{l, &openedAs{id: to, moves: l.handle.as.moves + 1}}
	l.bar, l.since = bar, 0
	l.renewed = l.number // if the id comes back later, its earlier links stay ended
	for _, r := range l.readers {
		l.unlink(r, store.ErrMoved)
	}
	l.markIdle()
}
