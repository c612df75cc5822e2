package identity_test

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// A stamp is a moment: its place in the order of all notes, and its time.
type stamp struct {
	n  int64
	at time.Time
}

// A grant is what a value stands for: an id, until it is revoked. After that the same id
// may be used again, in its next life.
type grant struct {
	id   string
	life int
}

func (g grant) String() string { return fmt.Sprintf("%s in its life %d", g.id, g.life) }

// An event is an operation on an id. It must have its effect from its acknowledgement on.
type event struct{ begun, acked stamp }

// A ledger records what happened in one play. These must hold (S: safety):
//
//   - A message for a grant that was sent after the acknowledgement that created the
//     grant reaches only the grant's holders (I12, I13, I16). Messages that were sent
//     after the grant was revoked, or after it was revalidated and its other holders were
//     barred, do not reach attackers (I7, I11).
//   - No message of an attacker is accepted in the name of an id if he holds no grant of
//     it, if the grant has ended, or if the message came with the token of a link that
//     was revalidated (I7, I11, I12).
//   - No hello and no cookie is for an id if its receiver holds no grant of it (I16). No
//     value is signed with a time after its grant was revoked (I13).
//   - No answer to an id that was moved or revoked a moment ago (store.Settle) sets a
//     cookie, unless it is a log-in's or log-out's (I15).
//   - The application never gets a _cid (I17).
type ledger struct {
	mu      sync.Mutex
	n       int64
	start   time.Time
	grace   time.Duration // how long a response may come after its step was granted
	turn    time.Duration // how long a message may take to reach the handler
	settle  time.Duration // how long an id gets no cookies after it was moved or revoked
	trace   []string
	guarded map[string]int      // ids of honest visitors, and their current life
	ended   map[grant]event     // by revocation
	barred  map[grant]event     // by revalidation, and Validate refuses everybody but the owner since
	renewed map[string][]event  // by revalidation
	left    map[string][]event  // by a move or a revocation: no cookies for a while
	stopped map[string]bool     // ids that were revoked by a log-out or an operator
	moves   map[string][]string // the ids to which sessions of an id moved
	seen    []sighting
	names   map[string]string // the names of client objects that the application got, and where
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

// now returns the next stamp.
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

// fault notes that a promise is broken.
func (l *ledger) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faultLocked(format, args...)
}

func (l *ledger) faultLocked(format string, args ...any) {
	l.faults = append(l.faults, fmt.Sprintf(format, args...))
	l.noteLocked("FAULT "+format, args...)
}

// guard returns the grant that an id stands for now. From then on nobody else may have
// it.
func (l *ledger) guard(id string) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.guarded[id]; !ok {
		l.guarded[id] = 0
		l.noteLocked("%s is an honest visitor's id", id)
	}
	return grant{id, l.guarded[id]}
}

// grantAt returns the grant that the id stood for then.
func (l *ledger) grantAt(id string, then stamp) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := grant{id: id}
	for e, ok := l.ended[g]; ok && e.acked.n < then.n; e, ok = l.ended[g] {
		g.life++
	}
	return g
}

// leave notes that the id was moved, and begins its time without cookies.
func (l *ledger) leave(id, to string, begun stamp) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := event{begun, l.nowLocked()}
	if all := l.left[id]; len(all) == 0 || e.begun.at.After(all[len(all)-1].begun.at.Add(l.settle)) {
		l.left[id] = append(all, e) // leaving again without a session does not prolong it
	}
	l.noteLocked("%s has moved to %s", id, to)
}

// move notes the id to which the session of an id has moved.
func (l *ledger) move(id, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.moves[id] = append(l.moves[id], to)
}

// revoke notes that the id was revoked. terminal means that its clients are to stop.
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

// renew notes that the id was revalidated. barred means that only its owner has got
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

// isDead reports whether link tokens of the id that were given out then are invalid now.
func (l *ledger) isDead(id string, then stamp) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := func(e event) bool { return then.n < e.begun.n }
	return slices.ContainsFunc(l.left[id], before) || slices.ContainsFunc(l.renewed[id], before)
}

// stop notes that clients with this id will be told to stop.
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

// name notes a name of a client object that the application got.
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
