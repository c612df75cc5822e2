package memory

import (
	"errors"
	"hash/maphash"

	"github.com/mirage-go/mirage/store"
)

// errOutdated means that the log has a newer message about the same subject: a broadcast,
// or a session that is joined to another one, may bring the older one later.
var errOutdated = errors.New("memory: superseded before it came")

var subjects = maphash.MakeSeed()

// subject returns a hash of what a message with Key is about: Event, Key, and the only
// reader it is for.
func subject(m *store.Message, reader string) uint64 {
	var h maphash.Hash
	h.SetSeed(subjects)
	for _, s := range [...]string{m.Event, m.Key, reader} {
		h.WriteString(s)
		h.WriteByte(0xff) // no UTF-8 has it
	}
	return h.Sum64()
}

// older returns which slot of a sparse log has the entry that m supersedes, or -1 if
// there is none. Subjects whose hashes are equal, which practically never happens,
// supersede nothing of each other.
func (l *memLog) older(m *store.Message, reader string) int {
	i, ok := l.find(l.sparse.latest[subject(m, reader)])
	if !ok {
		return -1
	}
	was := l.entries.at(i).message
	if was.Event != m.Event || was.Key != m.Key || l.only[l.seqAt(i)] != reader {
		return -1
	}
	return i
}

// prepare makes room for a message, and records its place, in a log that is sparse or
// becomes it. It returns the message's number. The caller appends the slot. t is nil for
// a message that is sent now.
func (l *memLog) prepare(m *store.Message, reader string, size int64, t *lifetime) (seq uint64, err error) {
	if l.sparse == nil {
		l.makeSparse()
	}
	if t == nil {
		now := l.store.lifetime(m)
		t = &now
	}

	old := -1
	if m.Key != "" {
		old = l.older(m, reader)
	}
	switch {
	case old >= 0 && l.sparse.places.at(old).sent > t.sent:
		return 0, errOutdated
	case !l.room(size, old):
		return 0, store.ErrFull
	}
	l.sparse.record(m, reader, *t)
	return l.sparse.top, nil
}

// record records the place of a message at the top.
func (sp *sparse) record(m *store.Message, reader string, t lifetime) {
	sp.top++
	sp.places.push(place{sp.top, t})
	if m.Key != "" {
		if sp.latest == nil {
			sp.latest = make(map[uint64]uint64)
		}
		sp.latest[subject(m, reader)] = sp.top
	}
	if t.until != 0 {
		sp.mortal++
		sp.ends.add(expiry{t.until, sp.top})
	}
}
