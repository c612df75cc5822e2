package identity_test

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// A stamp is a moment: its place in the order of all that was noted, and its time.
type stamp struct {
	n  int64
	at time.Time
}

// A grant is what a value stands for: an id, until that is revoked. After that the same
// id may be used again, in its next life.
type grant struct {
	id   string
	life int
}

func (g grant) String() string { return fmt.Sprintf("%s in its life %d", g.id, g.life) }

// An event is something that was done to an id and that is to have an effect from its
// acknowledgement on.
type event struct{ begun, acked stamp }

// A ledger has noted what happened in one play. These must hold (S: safety):
//
//   - A message for a grant that was sent after the acknowledgement that gave rise to it
//     reaches nobody but its holder (I12, I13, I16). After the grant was revoked, or its
//     other holders were barred and it was revalidated, no message from then on does (I7,
//     I11).
//   - No message of an attacker is accepted in the name of an id of which he holds no
//     grant, nor of one whose grant has ended, nor on the token of a link that was
//     revalidated (I7, I11, I12).
//   - No hello names, and no cookie is for, an id of which its reader holds no grant
//     (I16). No value is signed with a time after its grant was revoked (I13).
//   - No answer to an id that was moved or revoked a moment ago (store.Settle) sets a
//     cookie, unless it is a log-in's or log-out's (I15).
//   - The application never meets a _cid (I17).
type ledger struct {
	mu      sync.Mutex
	n       int64
	start   time.Time
	grace   time.Duration // how long after a step was granted its answer may come
	turn    time.Duration // and how long a message's turn may take to reach the handler
	settle  time.Duration // how long an id is quiet after it was moved or revoked
	trace   []string
	guarded map[string]int      // ids of honest visitors, and the life in which they are
	ended   map[grant]event     // revoked
	barred  map[grant]event     // revalidated, and Validate refuses all but their owners since
	renewed map[string][]event  // revalidated
	left    map[string][]event  // moved or revoked: no cookies for a while
	stopped map[string]bool     // ids that were revoked by a log-out or an operator
	moves   map[string][]string // the ids to which sessions of an id moved
	seen    []sighting
	names   map[string]string // what the application met as a name of a client object, and where
	cids    map[string]bool
	faults  []string
}

func newLedger(settle, grace, turn time.Duration) *ledger {
	return &ledger{
		start: time.Now(), grace: grace, turn: turn, settle: settle,
		guarded: map[string]int{}, ended: map[grant]event{}, barred: map[grant]event{},
		renewed: map[string][]event{}, left: map[string][]event{}, stopped: map[string]bool{},
		moves: map[string][]string{}, names: map[string]string{}, cids: map[string]bool{},
	}
}

// now is the next stamp.
func (l *ledger) now() stamp {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nowLocked()
}

func (l *ledger) nowLocked() stamp {
	l.n++
	return stamp{l.n, time.Now()}
}

// note keeps a line for the report of a failure.
func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLocked(format, args...)
}

func (l *ledger) noteLocked(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	l.trace = append(l.trace, fmt.Sprintf("%6d %9.6fs %s", l.n, time.Since(l.start).Seconds(), line))
}

// fault notes that something does not hold.
func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(format, args...)
}

func (l *ledger) faultLocked(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
	l.noteLocked("FAULT "+format, args...)
}

// guard returns the grant that an id stands for now.
// From then on nobody else may have it.
func (l *ledger) guard(id string) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.guarded[id]; !ok {
		l.guarded[id] = 0
		l.noteLocked("%s is an honest visitor's id", id)
	}
	return grant{id, l.guarded[id]}
}

// grantAt is what the id stood for then.
func (l *ledger) grantAt(id string, then stamp) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := grant{id: id}
	for e, ok := l.ended[g]; ok && e.acked.n < then.n; e, ok = l.ended[g] {
		g.life++
	}
	return g
}

// leave notes that the id was moved: it begins its quiet time.
func (l *ledger) leave(id, to string, begun stamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := event{begun, l.nowLocked()}
	if all := l.left[id]; len(all) == 0 || e.begun.at.After(all[len(all)-1].begun.at.Add(l.settle)) {
		l.left[id] = append(all, e) // to be left again without a session does not prolong it
	}
	l.noteLocked("%s has moved to %s", id, to)
}

// move notes where the session of an id has gone.
func (l *ledger) move(id, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moves[id] = append(l.moves[id], to)
}

// revoke notes that the id was revoked. terminal says that its clients are to stop.
func (l *ledger) revoke(id string, begun stamp, terminal bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := event{begun, l.nowLocked()}
	l.left[id] = append(l.left[id], e)
	l.stopped[id] = l.stopped[id] || terminal
	l.noteLocked("%s is revoked (terminally: %t)", id, terminal)
	if life, ok := l.guarded[id]; ok {
		l.ended[grant{id, life}] = e
		l.guarded[id]++
	}
}

// renew notes that the id was revalidated; barred says that nobody but its owner gets
// through Validate since.
func (l *ledger) renew(g grant, begun stamp, barred bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := event{begun, l.nowLocked()}
	l.renewed[g.id] = append(l.renewed[g.id], e)
	if barred {
		l.barred[g] = e
	}
	l.noteLocked("%s is revalidated (barred: %t)", g.id, barred)
}

// isDead reports whether link tokens of the id
// that were given out then are worth nothing.
func (l *ledger) isDead(id string, then stamp) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := func(e event) bool { return then.n < e.begun.n }
	return slices.ContainsFunc(l.left[id], before) || slices.ContainsFunc(l.renewed[id], before)
}

// stop notes that clients with this id are told to stop in the end.
func (l *ledger) stop(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped[id] = true
}

func (l *ledger) isStopped(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped[id]
}

// name notes a name of a client object as the application meets it.
func (l *ledger) name(where, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[name] = where
}

// cid notes a _cid, which the application must never meet.
func (l *ledger) cid(cid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cids[cid] = true
}
