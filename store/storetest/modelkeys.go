package storetest

import "github.com/mirage-go/mirage/store"

// These are the parts of the model for messages with Key or TTL. Its floor is the number
// after the last entry that left in its turn, so that there is a gap for a reader that
// has not passed that entry. Entries that are passed over do not count.

// older returns the message that s supersedes, or 0.
func (m *model) older(s said) uint64 {
	for seq := m.top(); seq > 0 && s.key != ""; seq-- {
		is := m.all[seq-1]
		if is.key == s.key && is.event == s.event && is.to == s.to && is.passed == passedNo {
			return seq
		}
	}
	return 0
}

// outdated reports whether the log has a message that would supersede s, had it come
// later.
func (m *model) outdated(s said) bool {
	older := m.older(s)
	return older >= m.hi && m.all[older-1].sent.After(s.sent)
}

// passOver records that an entry does not have to be delivered any more.
func (m *model) passOver(seq uint64) {
	s := &m.all[seq-1]
	switch {
	case seq < m.lo || s.passed != passedNo: // it has left before
	case seq < m.hi: // perhaps it has
		s.passed = passedMaybe
	default:
		s.passed = passedYes
	}
}

// next returns the first entry after seq that is not passed over, or top+1.
func (m *model) next(seq uint64) uint64 {
	for seq++; seq <= m.top() && m.all[seq-1].passed != passedNo; seq++ {
	}
	return seq
}

// remain records that no entry from seq on has left in its turn.
func (m *model) remain(seq uint64) {
	m.hi = max(m.lo, min(m.hi, seq))
	for ; seq <= m.top(); seq++ {
		if s := &m.all[seq-1]; s.passed == passedMaybe {
			s.passed = passedYes
		}
	}
}

// gap checks what the store says that a reader has lost.
func (m *model) gap(l store.Lost) {
	if l.To < l.From || l.To > m.top() {
		m.fail("gap %v is none", l)
	}
	all := true
	for seq := l.From; seq <= l.To; seq++ {
		all = all && m.all[seq-1].passed == passedYes
	}
	if all {
		m.fail("gap %v has only what is to be passed over", l)
	}
	m.knownFloor(l.To + 1)
}

// behind returns how many readers at least, and at most, lack something up to seq.
func (m *model) behind(seq uint64) (least, most int) {
	if seq == 0 {
		seq = m.top()
	}
	for _, r := range m.readers {
		if len(r.links) == 0 && (r.plain || !r.here) {
			continue
		}
		has := r.acked
		if r.plain {
			has = max(has, r.sent)
		}

		must, may := false, false
		for s := has + 1; s <= m.top() && has < seq; s++ {
			must = must || m.all[s-1].passed == passedNo && s >= m.hi && s <= seq
			may = may || m.all[s-1].passed != passedYes && (s <= seq || s < m.hi) // or a gap to be told
		}
		if must && !m.forgotten(r) {
			least++
		}
		if may {
			most++
		}
	}
	return least, most
}
