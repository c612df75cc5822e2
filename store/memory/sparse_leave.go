package memory

import "github.com/mirage-go/mirage/store"

// leaveSparse is leave for a sparse log.
func (l *memLog) leaveSparse(seq uint64) (freed int64) {
	for l.entries.n > 0 && l.sparse.places.at(0).seq <= seq {
		freed += l.pop()
	}
	l.bytes -= freed
	l.tidy()
	return freed
}

// pop removes the oldest slot, and returns the size of its entry.
func (l *memLog) pop() int64 {
	s, p := l.entries.pop(), l.sparse.places.pop()
	if s.message == nil {
		l.sparse.dead--
		return 0
	}

	name := l.only[p.seq]
	l.sparse.unlink(s.message, name, p)
	if name != "" {
		l.miss(p.seq, name)
		delete(l.only, p.seq)
	}
	l.floor = p.seq + 1
	return int64(s.size)
}

// unlink records that an entry leaves.
func (sp *sparse) unlink(m *store.Message, reader string, p place) {
	if m.Key != "" {
		if about := subject(m, reader); sp.latest[about] == p.seq {
			delete(sp.latest, about)
		}
	}
	if p.until != 0 {
		sp.mortal--
	}
}

// drop removes the entry in the i-th slot, which readers pass over from now on. It
// returns the bytes that this frees, which the caller gives back to the budget. Slots may
// move.
func (l *memLog) drop(i int) (freed int64) {
	s, p := l.entries.at(i), *l.sparse.places.at(i)
	name := l.only[p.seq]
	l.sparse.unlink(s.message, name, p)
	if name != "" {
		delete(l.only, p.seq)
		l.passOver(p.seq, name)
	}

	freed = int64(s.size)
	l.bytes -= freed
	*s = slot{at: s.at}
	l.sparse.dead++
	l.tidy()
	return freed
}

// tidy removes slots without a message, if they are the oldest or too many, and what else
// entries have left behind.
func (l *memLog) tidy() {
	sp := l.sparse
	for l.entries.n > 0 && l.entries.at(0).message == nil {
		l.pop()
	}
	if sp.dead > l.live()/2+16 {
		l.compact()
	}
	if len(sp.ends) > 2*sp.mortal+16 {
		l.rebuildEnds()
	}
	if l.entries.slots == nil { // the log was large, and has been emptied
		sp.latest, sp.ends = nil, nil
	}
}

// compact removes all slots without a message.
func (l *memLog) compact() {
	n, places := 0, &l.sparse.places
	for i := range l.entries.n {
		if s := *l.entries.at(i); s.message != nil {
			*l.entries.at(n), *places.at(n) = s, *places.at(i)
			n++
		}
	}
	l.entries.truncate(n)
	places.truncate(n)
	l.sparse.dead = 0
}
