package memory

import (
	"math"

	"github.com/mirage-go/mirage/store"
)

// lifetime is when a message with Key or TTL was sent, and from when on it is not
// delivered any more; 0 if there is no such time. It stays the same when the
// message goes to another log.
type lifetime struct{ sent, until int64 }

// lifetime returns the lifetime of a message that is sent now.
func (s *Store) lifetime(m *store.Message) lifetime {
	t := lifetime{sent: s.now()}
	if m.TTL > 0 && int64(m.TTL) < math.MaxInt64-t.sent {
		t.until = t.sent + int64(m.TTL)
	}
	return t
}

// lifetimes returns the lifetimes of entries of the log; nil if no entry has one.
func (l *memLog) lifetimes(entries []store.Entry) []lifetime {
	if l.sparse == nil {
		return nil
	}
	all := make([]lifetime, len(entries))
	for i, e := range entries {
		if n, ok := l.find(e.Seq); ok {
			all[i] = l.sparse.places.at(n).lifetime
		}
	}
	return all
}

// dropExpired removes the entries whose TTL is over. Every step calls it before it looks
// at the entries.
func (l *memLog) dropExpired() {
	if l.sparse == nil || len(l.sparse.ends) == 0 {
		return
	}
	for now := l.store.now(); ; {
		seq, ok := l.sparse.ends.take(now)
		if !ok {
			return
		}
		if i, ok := l.find(seq); ok {
			l.store.used.Add(-l.drop(i))
		}
	}
}

// rebuildEnds drops the ends of entries that have left.
func (l *memLog) rebuildEnds() {
	sp := l.sparse
	sp.ends = sp.ends[:0]
	for i := range l.entries.n {
		if p := sp.places.at(i); p.until != 0 && l.entries.at(i).message != nil {
			sp.ends.add(expiry{p.until, p.seq})
		}
	}
}

// expiries is a heap: the entry that expires first is the first.
type expiries []expiry

type expiry struct {
	until int64
	seq   uint64
}

func (h *expiries) add(e expiry) {
	*h = append(*h, e)
	all, i := *h, len(*h)-1
	for i > 0 && e.until < all[(i-1)/2].until {
		all[i] = all[(i-1)/2]
		i = (i - 1) / 2
	}
	all[i] = e
}

// take removes an entry whose time is over, and returns its number.
func (h *expiries) take(now int64) (seq uint64, ok bool) {
	all := *h
	if len(all) == 0 || all[0].until > now {
		return 0, false
	}
	seq = all[0].seq

	// The last one takes its place, and sinks.
	last := all[len(all)-1]
	all = all[:len(all)-1]
	i := 0
	for child := 1; child < len(all); child = 2*i + 1 {
		if child+1 < len(all) && all[child+1].until < all[child].until {
			child++
		}
		if last.until <= all[child].until {
			break
		}
		all[i] = all[child]
		i = child
	}
	if len(all) > 0 {
		all[i] = last
	}
	*h = all
	return seq, true
}
