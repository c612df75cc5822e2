package memory

import (
	"math"
	"sort"

	"github.com/mirage-go/mirage/store"
)

// room makes room for an entry of that size, and takes it from the budget. It reports
// whether it could. If not, no entry has left. First of all, the entry in the slot old
// leaves, which the new one supersedes; old is -1 if there is none. Then entries leave in
// the order of D5, and no more than necessary.
func (l *memLog) room(size int64, old int) bool {
	last, freed, short, ok := l.must(size, old)
	if !ok {
		return false
	}
	lost := l.loss
	if last != 0 {
		if lost, ok = l.may(last, short); !ok {
			return false
		}
	}
	if size != freed && !l.store.reserve(size-freed) {
		return false
	}

	l.loss = lost
	if old >= 0 {
		l.drop(old)
	}
	l.leave(last)
	return true
}

// A loss is the last time that entries left although some reader had not passed them. The
// zero loss also stands for those that left while their readers were away.
type loss struct {
	to  uint64 // the last of these entries
	why lossCause
}

type lossCause uint8

const (
	lossAway lossCause = iota
	lossStalled
	lossOverflow
	lossBudget
)

// reason returns why the entries after seq left.
func (l loss) reason(after uint64) store.Missing {
	if after >= l.to {
		return store.MissingTrimmed
	}
	switch l.why {
	case lossStalled:
		return store.MissingStalled
	case lossOverflow:
		return store.MissingOverflow
	case lossBudget:
		return store.MissingBudget
	}
	return store.MissingTrimmed
}

// must returns the last entry that has to leave for one more of that size, 0 if none has
// to, and the bytes that this frees, with those of the entry in the slot old. short is
// whether some of them have to leave for the budget alone. ok is false if even all
// entries would not be enough.
func (l *memLog) must(size int64, old int) (last uint64, freed int64, short, ok bool) {
	count := l.live()
	if old >= 0 {
		count, freed = count-1, int64(l.entries.at(old).size)
	}
	for i := 0; ; i++ {
		if count < l.bounds.MaxMessages && l.bytes-freed+size <= l.bounds.MaxBytes {
			if l.store.has(size - freed) {
				return last, freed, short, true
			}
			short = true
		}
		if i == l.entries.n {
			return 0, 0, false, false
		}
		if s := l.entries.at(i); s.message != nil && i != old {
			last, count, freed = l.seqAt(i), count-1, freed+int64(s.size)
		}
	}
}

// may reports whether the entries up to seq may leave for a new one, and which loss that
// is. short is whether they leave for the budget.
func (l *memLog) may(seq uint64, short bool) (lost loss, ok bool) {
	drops := l.bounds.Overflow == store.OverflowDropOldest
	if !drops {
		l.forget()
	}

	lost.to = seq
	switch {
	case seq <= l.passed(pressed):
		return l.loss, true
	case drops:
		lost.why = lossOverflow
	case l.linked() && seq <= l.passed(yielding):
		lost.why = lossAway
	case seq <= l.passed(stalling):
		lost.why = lossStalled
	default:
		return l.loss, false
	}

	if short {
		lost.why = lossBudget
	}
	if lost.why == lossAway {
		lost = loss{}
	}
	return lost, true
}

// need says how much readers must give up.
type need uint8

const (
	easy     need = iota // nothing: what was sent to a plain reader stays for the retention
	pressed              // what was sent to a plain reader may leave
	yielding             // also what only readers without a link have not passed
	stalling             // also what only these and stalled readers have not passed
)

// passed returns the highest entry that may leave.
func (l *memLog) passed(n need) uint64 {
	low, aged := uint64(math.MaxUint64), l.top()
	if n == easy {
		aged = l.aged()
	}

	for _, r := range l.readers {
		at := r.acked
		if r.plain {
			at = max(at, min(r.sent, aged))
		}
		if n >= yielding && len(r.links) == 0 || n == stalling && l.stalled(r, at) {
			continue
		}
		low = min(low, at)
	}

	if n == easy {
		for i := range l.undelivered {
			low = min(low, l.undelivered[i].Lost.From-1)
		}
	}

	switch {
	case low < math.MaxUint64:
		return low
	case n == stalling: // no reader is live
		return 0
	}
	return l.mark // there are no readers, and a new one starts at the mark
}

// stalled reports whether a reader that has passed seq could have taken the next entry
// for Bounds.Stall, and has taken nothing in that time.
func (l *memLog) stalled(r *memReader, seq uint64) bool {
	if l.bounds.Stall == 0 || l.isLast(seq) {
		return false
	}
	since := max(r.took, int64(l.entries.at(l.next(max(seq, l.floor-1))).at)*tick)
	for i := range r.links {
		if r.links[i].end == nil {
			since = max(since, r.links[i].heard)
		}
	}
	return since <= l.store.now()-int64(l.bounds.Stall)
}

// aged returns the highest entry that is older than the retention plus a tick.
func (l *memLog) aged() uint64 {
	before := (l.store.now() - int64(l.bounds.Retention)) / tick
	n := sort.Search(l.entries.n, func(i int) bool { return int64(l.entries.at(i).at) >= before })
	if n == 0 {
		return l.floor - 1
	}
	return l.seqAt(n - 1)
}

// trim removes the entries up to seq, and gives their bytes back to the budget.
func (l *memLog) trim(seq uint64) {
	if freed := l.leave(seq); freed > 0 {
		l.store.used.Add(-freed)
	}
}

// leave removes the entries up to seq, and returns the bytes that this frees.
func (l *memLog) leave(seq uint64) (freed int64) {
	if l.sparse != nil {
		return l.leaveSparse(seq)
	}
	for l.entries.n > 0 && l.floor <= seq {
		freed += int64(l.entries.pop().size)
		if name := l.only[l.floor]; name != "" {
			l.miss(l.floor, name)
			delete(l.only, l.floor)
		}
		l.floor++
	}
	l.bytes -= freed
	return freed
}
