package memory

import (
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/store"
)

// memIDs is what the store knows of ids beside their sessions. An id that was neither
// moved nor revoked, and to which no other id leads, has no entry. Times are stamps of
// memClock.
//
// A way leads a client from an id that Move has replaced to the new one.
type memIDs struct {
	states map[string]*memID
	ways   uint64       // the last number of ways that was given out
	bytes  atomic.Int64 // what the states count against the budget

	// The states in the order in which tidy looks at them.
	first, last *memID

	journaled bool     // changed states are noted in changed
	changed   []*memID // to be saved
}

// memID is the state of one id.
type memID struct {
	id   string
	next *memID // in the queue of tidy

	revokedAt, revokedUntil int64 // values signed until revokedAt are refused until revokedUntil; 0 if never revoked
	settledAt               int64 // requests from before it are told to come back; 0 if the id never moved

	// The way from here: where one client may still find the session. to is "" without
	// one.
	to, client string
	leadsUntil int64
	ledBy      uint64 // the value of to's ways when this way was added

	// An old id leads here if its ledBy is this number. A new number ends all such ways
	// at once. No two states ever have the same number, so that a way does not begin
	// again after its target was forgotten.
	ways uint64
	led  int // how many ways lead here

	isChanged bool // it is in memIDs.changed
}

// idCost is what the state of an id counts against the budget, in bytes, beside the id's
// text.
const idCost = 224

func (st *memID) cost() int64 { return idCost + int64(len(st.id)) }

// fenceKept is how much longer than settledAt a move is remembered. No request that came
// before it takes that long.
const fenceKept = time.Minute

// change returns the state of id for writing, and makes it if there is none.
func (ids *memIDs) change(id string) *memID {
	st := ids.states[id]
	if st == nil {
		st = &memID{id: id}
		ids.settle(st)
		ids.states[id] = st
		ids.bytes.Add(st.cost())
		ids.line(st)
	}
	ids.note(st)
	return st
}

// note lets the next save save the state.
func (ids *memIDs) note(st *memID) {
	if ids.journaled && !st.isChanged {
		st.isChanged = true
		ids.changed = append(ids.changed, st)
	}
}

// line appends the state to the queue of tidy.
func (ids *memIDs) line(st *memID) {
	if st.next = nil; ids.last == nil {
		ids.first = st
	} else {
		ids.last.next = st
	}
	ids.last = st
}

// tidy checks the states that it has not checked for longest, and drops those that have
// expired. It checks four, twice as many as one step adds, so that expired states do not
// pile up and no caller waits long. Call it before states are changed.
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

// drop forgets the state if nothing in it is valid any more.
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

// revoked returns when values of the id were last revoked, or 0 if none is refused.
func (st *memID) revoked(now int64) int64 {
	if st == nil || st.revokedUntil <= now {
		return 0
	}
	return st.revokedAt
}

// settling reports whether a request that came then may have left before the id's move
// was known to the browser.
func (st *memID) settling(came time.Time) bool {
	return st != nil && !came.IsZero() && came.UnixNano() < st.settledAt
}

// refuse returns nil if the request's value of this id is valid. Otherwise it returns
// ErrRevoked, or ErrMoved if Rotate revoked the id and the browser could not know yet.
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

// leave records that the id has moved, with or without a session. To leave it again
// without a session does not prolong the time in which it is unsettled. Otherwise the
// holder of the old id could make everybody wait for ever.
func (st *memID) leave(at int64, m *store.Moving, session bool) {
	if m.Settle > 0 && (session || st.settledAt <= at) {
		st.settledAt = at + int64(m.Settle)
	}
	if m.Refuse > 0 {
		st.revoke(at, m.Refuse)
	}
}

// revoke refuses values that were signed until at. It lasts for refuse, but not shorter
// than an earlier revocation.
func (st *memID) revoke(at int64, refuse time.Duration) {
	st.revokedAt, st.revokedUntil = at, max(st.revokedUntil, at+int64(refuse))
}

// lead adds a way from the state to the id to, for client, that lasts until then.
func (ids *memIDs) lead(from *memID, to, client string, now, until int64) {
	before := from.to
	ids.forgetWay(from)
	if st := ids.states[before]; st != nil {
		ids.drop(st, now)
	}
	target := ids.change(to)
	target.led++
	from.to, from.client, from.leadsUntil, from.ledBy = to, client, until, target.ways
	ids.note(from)
}

// settle ends all ways that lead to the id: its holder has presented it, or it has no
// holder any more.
func (ids *memIDs) settle(st *memID) {
	ids.ways++
	st.ways, st.led = ids.ways, 0
	ids.note(st)
}

// forgetWay ends the way that leads away from the id. If that had ended before, the ways
// that lead to the id had ended with it, and do not begin again.
func (ids *memIDs) forgetWay(st *memID) {
	switch {
	case st.to == "":
	case ids.leads(st):
		ids.states[st.to].led--
	default:
		ids.settle(st)
	}
	st.to, st.client, st.leadsUntil = "", "", 0
	ids.note(st)
}

// leads reports whether the way from st is valid: the id to which it leads has not been
// presented since.
func (ids *memIDs) leads(st *memID) bool {
	target := ids.states[st.to]
	return target != nil && target.ways == st.ledBy
}

// find returns the id under which the client continues: it may have moved several times.
// A way that has ended also ends the ways that lead to it.
func (ids *memIDs) find(id, client string, now int64) string {
	at := id
	for range 8 { // in the worst case in a circle
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
