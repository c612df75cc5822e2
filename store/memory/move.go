package memory

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

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
