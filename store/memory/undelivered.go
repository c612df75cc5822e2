package memory

import (
	"slices"

	"github.com/mirage-go/mirage/store"
)

// An entry for one reader alone is never lost silently. If the reader is forgotten before
// it has the entry, some link's Read reports that (Tail.Undelivered). Until then the
// entry stays for OnEnd, unless the log needs its room.

// undelivered is what is to be reported about a reader that is not remembered.
type undelivered struct {
	store.Undelivered
	from   int64      // not before that: the reader may still come from the session that was joined to this one
	has    uint64     // what the reader had
	missed store.Lost // of Lost, what has left the log; the rest is still in it
}

// has returns the seq up to which the reader got everything, as far as the log can know.
func (r *memReader) has() uint64 {
	if r.plain {
		return max(r.acked, r.sent)
	}
	return r.acked
}

// miss records that an entry for one reader alone leaves the log.
func (l *memLog) miss(seq uint64, name string) {
	if r := l.reader(name); r != nil && r.has() < seq {
		extend(&r.missed, seq)
	}
	for i := range l.undelivered {
		if u := &l.undelivered[i]; u.about(seq, name) {
			extend(&u.missed, seq)
		}
	}
}

// about reports whether an entry for that reader alone is among those that u reports.
func (u *undelivered) about(seq uint64, reader string) bool {
	return u.Reader == reader && u.Lost.From <= seq && seq <= u.Lost.To
}

// passOver records that an entry for one reader alone was superseded, or that its TTL is
// over: it is no loss any more.
func (l *memLog) passOver(seq uint64, name string) {
	for i := range l.undelivered {
		if u := &l.undelivered[i]; u.about(seq, name) {
			l.narrow(u)
		}
	}
	l.undelivered = slices.DeleteFunc(l.undelivered, func(u undelivered) bool { return u.Lost.IsZero() })
}

// narrow reduces u.Lost to what the reader lacks of that range.
func (l *memLog) narrow(u *undelivered) {
	lost := u.missed
	for seq, name := range l.only {
		if u.about(seq, name) && seq > u.has {
			extend(&lost, seq)
		}
	}
	u.Lost = lost
}

// extend extends lost to seq.
func extend(lost *store.Lost, seq uint64) {
	if lost.IsZero() {
		lost.From = seq
	}
	lost.From, lost.To = min(lost.From, seq), max(lost.To, seq)
}

// giveUp records what the reader, which is being forgotten, did not get.
func (l *memLog) giveUp(r *memReader) {
	all := store.Undelivered{Reader: r.name, Plain: r.plain, Lost: store.Lost{To: l.top()}}
	u := undelivered{Undelivered: all, has: r.has(), missed: r.missed}
	if l.narrow(&u); !u.Lost.IsZero() {
		l.undelivered = append(l.undelivered, u)
	}
}

// expect records that an entry came for a reader that this log does not know yet.
func (l *memLog) expect(name string, seq uint64) {
	i := slices.IndexFunc(l.undelivered, func(u undelivered) bool { return u.Reader == name && u.from > 0 })
	if i < 0 {
		i = len(l.undelivered)
		until := l.store.now() + int64(l.bounds.Retention)
		l.undelivered = append(l.undelivered, undelivered{Undelivered: store.Undelivered{Reader: name}, from: until})
	}
	extend(&l.undelivered[i].Lost, seq)
}

// cameBack drops what was to be reported about a reader that is here now and reads after
// start. If the reader owns what is before, because its position says so, nothing is left
// to report.
func (l *memLog) cameBack(name string, start uint64, owns bool) {
	l.undelivered = slices.DeleteFunc(l.undelivered, func(u undelivered) bool {
		return u.Reader == name && (owns || u.Lost.From > start)
	})
}

// tell returns what is to be reported now, to one caller alone.
func (l *memLog) tell() (told []store.Undelivered) {
	now := l.store.now()
	l.undelivered = slices.DeleteFunc(l.undelivered, func(u undelivered) bool {
		if u.from > now {
			return false
		}
		told = append(told, u.Undelivered)
		return true
	})
	return told
}

// lacks reports whether the entry is for one reader alone that has not acknowledged it.
func (l *memLog) lacks(seq uint64) bool {
	name := l.only[seq]
	if name == "" {
		return false
	}
	if r := l.reader(name); r != nil && r.acked < seq {
		return true
	}
	return slices.ContainsFunc(l.undelivered, func(u undelivered) bool { return u.about(seq, name) })
}

// unread returns the entries that no reader acknowledged, and those for one reader alone
// that this reader did not acknowledge.
func (l *memLog) unread() []store.Entry {
	var left []store.Entry
	from := max(l.mark+1, l.floor)
	if len(l.only) > 0 {
		from = l.floor
	}
	for i := l.next(from - 1); i < l.entries.n; i++ {
		seq, s := l.seqAt(i), l.entries.at(i)
		if s.message != nil && (seq > l.mark || l.lacks(seq)) {
			left = append(left, store.Entry{Seq: seq, Message: s.message, Reader: l.only[seq]})
		}
	}
	return left
}
