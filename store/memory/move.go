package memory

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

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
