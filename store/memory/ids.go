package memory

import (
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// memIDs is what the memory knows of ids beside their sessions. An id that was
// neither moved nor revoked, and to which nothing leads, has no entry. Times are
// stamps of memClock.
type memIDs struct {
	states map[string]*memID
	ways   uint64       // the last number of ways that was given out
	bytes  atomic.Int64 // what the states count against the budget

	// The states in the order in which tidy looks at them.
	first, last *memID
}

// memID is the state of one id.
type memID struct {
	id   string
	next *memID // in the line of tidy

	revokedAt, revokedUntil int64 // values signed at revokedAt or before are refused until then; 0 never
	settledAt               int64 // requests that came before that are told to come back; 0 if it never moved

	// Where one client may still find the session, if at all.
	to, client string
	leadsUntil int64
	ledBy      uint64 // the ways of to when this one was added

	// Old ids lead here if they know this number; another one ends all of them at once.
	// No two states ever have the same, so that a way does not begin again when its state
	// was forgotten.
	ways uint64
	led  int // how many they are
}

// idCost is what the state of an id counts against the budget, beside the id.
const idCost = 224

func (st *memID) cost() int64 { return idCost + int64(len(st.id)) }

// fenceKept is how much longer than settledAt a move is remembered: longer than any
// request takes that came before it.
const fenceKept = time.Minute

// change returns the state of id, for writing.
func (ids *memIDs) change(id string) *memID {
	st := ids.states[id]
	if st == nil {
		st = &memID{id: id}
		ids.settle(st)
		ids.states[id] = st
		ids.bytes.Add(st.cost())
		ids.line(st)
	}
	return st
}

// line puts the state at the end of the line of tidy.
func (ids *memIDs) line(st *memID) {
	if st.next = nil; ids.last == nil {
		ids.first = st
	} else {
		ids.last.next = st
	}
	ids.last = st
}

// tidy looks at the states that it has not looked at for longest, and forgets what has
// run out. They are twice as many as a change adds, so that at most as many wait as there
// were, and no caller has to wait for more. To be called before states are changed.
func (ids *memIDs) tidy(now int64) {
	for range 4 {
		st := ids.first
		if st == nil {
			return
		}
		if ids.first = st.next; ids.first == nil {
			ids.last = nil
		}

		if ids.states[st.id] != st { // it was dropped before its turn
			continue
		}

		if st.leadsUntil <= now {
			ids.forgetWay(st)
		}
		ids.drop(st, now)
		if ids.states[st.id] == st {
			ids.line(st)
		}
	}
}

// drop forgets the state if nothing in it counts any more.
func (ids *memIDs) drop(st *memID, now int64) {
	fence := st.settledAt
	if fence != 0 {
		fence += int64(fenceKept)
	}
	if st.led == 0 && max(st.revokedUntil, fence, st.leadsUntil) <= now {
		delete(ids.states, st.id)
		ids.bytes.Add(-st.cost())
	}
}

// revoked returns when values of the id were last revoked; 0 if none is refused.
func (st *memID) revoked(now int64) int64 {
	if st == nil || st.revokedUntil <= now {
		return 0
	}
	return st.revokedAt
}

// settling reports whether a request that came then is of the time around the id's move.
func (st *memID) settling(came time.Time) bool {
	return st != nil && !came.IsZero() && came.UnixNano() < st.settledAt
}

// refuse says why what was asked with this id does not count: ErrRevoked, or ErrMoved
// where Rotate revoked it and the browser could not know yet. nil lets it pass.
func (st *memID) refuse(a store.Asked, now int64) error {
	switch at := st.revoked(now); {
	case a.Signed.IsZero() || at == 0 || a.Signed.UnixNano() > at:
		return nil
	case st.settling(a.Came):
		return store.ErrMoved
	}
	return store.ErrRevoked
}

// quiet reports whether the id was moved or revoked less than Settle before came.
func (st *memID) quiet(came time.Time, now int64) bool {
	if st == nil || came.IsZero() {
		return false
	}
	at := st.revoked(now)
	return st.settling(came) || at != 0 && came.UnixNano() < at+int64(store.Settle)
}

// leave notes that the session of an id has moved away, or that the id has without one.
// It is no longer unsettled for being left again without a session: who holds the old id
// could else keep everybody waiting.
func (st *memID) leave(at int64, m *store.Moving, session bool) {
	if m.Settle > 0 && (session || st.settledAt <= at) {
		st.settledAt = at + int64(m.Settle)
	}
	if m.Refuse > 0 {
		st.revoke(at, m.Refuse)
	}
}

// revoke refuses what was signed until at, for that long, and no shorter than before.
func (st *memID) revoke(at int64, refuse time.Duration) {
	st.revokedAt, st.revokedUntil = at, max(st.revokedUntil, at+int64(refuse))
}

// lead lets client find from under to.
func (ids *memIDs) lead(from *memID, to, client string, now, until int64) {
	before := from.to
	ids.forgetWay(from)
	if st := ids.states[before]; st != nil {
		ids.drop(st, now)
	}
	target := ids.change(to)
	target.led++
	from.to, from.client, from.leadsUntil, from.ledBy = to, client, until, target.ways
}

// settle ends all the ways that lead to the id: its holder has presented it, or nobody
// holds it any more.
func (ids *memIDs) settle(st *memID) {
	ids.ways++
	st.ways, st.led = ids.ways, 0
}

// forgetWay ends the way that leads away from the id. If it had ended before, those that
// lead to the id had ended with it, and do not begin again.
func (ids *memIDs) forgetWay(st *memID) {
	switch {
	case st.to == "":
	case ids.leads(st):
		ids.states[st.to].led--
	default:
		ids.settle(st)
	}
	st.to, st.client, st.leadsUntil = "", "", 0
}

// leads reports whether nobody has presented the id to which st leads since.
func (ids *memIDs) leads(st *memID) bool {
	target := ids.states[st.to]
	return target != nil && target.ways == st.ledBy
}

// find returns where the client's id is now: it may have moved several times. A way that
// was ended ends those that lead to it, too.
func (ids *memIDs) find(id, client string, now int64) string {
	at := id
	for range 8 { // and in a circle, if it comes to the worst
		st := ids.states[at]
		switch {
		case st == nil || st.to == "":
			return at
		case !ids.leads(st):
			return id
		case client == "" || st.client != client || st.leadsUntil <= now:
			return at
		}

		at = st.to
	}
	return at
}
