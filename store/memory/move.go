package memory

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// absorb appends what another session left behind, and adds its memberships, as far as
// there is room. For keep, the
// other session's id counts as this log's previous one.
func (l *memLog) absorb(other store.Ended, members []membership, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()

	h := l.history()
	h.id, h.until = other.ID, l.store.now()+int64(keep)
	h.epochs = append(h.epochs, other.Epoch)
	if len(h.epochs) > 8 {
		h.epochs = h.epochs[1:]
	}

	l.unite(members)
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
// new id that were signed until bar are not valid in it.
func (l *memLog) rename(to string, bar int64, keep time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
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
