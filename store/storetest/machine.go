package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

// model drives the store and the model with the same commands.
func (s suite) model(t *testing.T) {
	if !s.bubble {
		t.Parallel()
	}
	rounds := 1 // each of a hundred runs, unless -rapid.checks sets another number
	if s.bubble {
		rounds = 30
	}

	check := func(rt *rapid.T) {
		run := func(rt *rapid.T) {
			m := &machine{suite: s, tb: t, tags: map[place]uint32{}}
			m.restart()
			defer func() { (&env{T: t, suite: s}).endAll(m.store) }() // what a failed run left
			rt.Repeat(m.actions())
			m.rt = rt
			m.finish()
		}
		if s.bubble {
			rapid.SyncTest(rt, run)
		} else {
			run(rt)
		}
	}

	for range rounds {
		rapid.Check(t, check)
	}
}

const kept = time.Minute

// machine is one run: a store, the models of its sessions, and what clients may present.
type machine struct {
	suite
	tb    testing.TB
	rt    *rapid.T
	store store.Store

	logs  map[string]*model // by id
	links []*linked         // those not detached yet
	refs  []*linked         // every link that ever existed, for late acknowledgements
	seen  []history         // positions that a client may present
	dead  map[uint64]bool   // epochs of this store that have ended
	ids   map[string]*modelID
	stale []store.Log      // of sessions that have moved since
	tags  map[place]uint32 // of the positions that the store returned
	texts int
	lives int // of stores
}

type linked struct {
	m *model
	r *modelReader
	*modelLink
	was store.LinkRef // when it was attached

	moves   int  // of its session when it was attached
	renewed bool // it ended by Renew
}

type history struct {
	store.Position
	life int
}

// modelID is the state of an id beside its session.
type modelID struct {
	revoked, until time.Time // values signed until revoked are refused until then
	settled        time.Time // requests that came before that belong to its last move

	to, client string // where it leads
	leadsUntil time.Time
}

func (m *machine) fail(format string, args ...any) {
	m.rt.Helper()
	m.rt.Fatalf(format, args...)
}

// restart begins again with an empty store.
func (m *machine) restart() {
	m.store = m.open(m.tb)
	m.lives++
	m.logs = map[string]*model{}
	m.links, m.refs = nil, nil
	m.dead = map[uint64]bool{}
	m.stale = nil
	m.ids = map[string]*modelID{}
	for _, id := range ids3 {
		m.ids[id] = new(modelID)
	}
}

// finish ends all sessions, and checks that nothing is left.
func (m *machine) finish() {
	m.sweep()
	for _, id := range slices.Sorted(maps.Keys(m.logs)) {
		ended, err := m.store.End(ctx, id, 0)
		m.must("End", err)
		m.logs[id].ended(ended)
	}
	for log := range m.store.Logs(ctx) {
		m.fail("session %q is left", log.ID())
	}
}

func (m *machine) must(what string, err error) {
	m.rt.Helper()
	if err != nil {
		m.fail("%s: %v", what, err)
	}
}

func (m *machine) wants(what string, err, want error) {
	m.rt.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		m.fail("%s: error %v, want %v", what, err, want)
	}
}

// draw chooses one of the given values.
func draw[T any](rt *rapid.T, name string, some []T) T {
	if len(some) == 0 {
		rt.SkipNow()
	}
	return rapid.SampledFrom(some).Draw(rt, name)
}

// log chooses an existing session.
func (m *machine) log(rt *rapid.T) (*model, store.Log) {
	id := draw(rt, "id", slices.Sorted(maps.Keys(m.logs)))
	l, created, err := m.store.Open(ctx, id, store.Asked{}, rapid.Bool().Draw(rt, "create"), bounds())
	m.must("Open", err)
	if created {
		m.fail("session %q was made again", id)
	}
	return m.logs[id], l
}

// link chooses a live link.
func (m *machine) link(rt *rapid.T) *linked { return draw(rt, "link", m.links) }

func (m *machine) actions() map[string]func(*rapid.T) {
	acts := map[string]func(*rapid.T){
		"append":        m.doAppend,
		"appendTo":      m.doAppendTo,
		"attach":        m.doAttach,
		"attach again":  m.doAttach,
		"go on":         m.doGoOn,
		"read":          m.doRead,
		"read more":     m.doRead,
		"read all":      m.doReadAll,
		"behind":        m.doBehind,
		"ack":           m.doAck,
		"ack what came": m.doAckCursor,
		"detach":        m.doDetach,
		"leave":         m.doLeave,
		"quit":          m.doQuit,
		"open":          m.doOpen,
		"begin":         m.doBegin,
		"commit":        m.doCommit,
		"end":           m.doEnd,
		"move":          m.doMove,
		"move again":    m.doMove,
		"resolve":       m.doResolve,
		"old handle":    m.doStale,
		"renew":         m.doRenew,
		"ask":           m.doAsk,
		"restart":       m.doRestart,
		"pressure":      m.doPressure,
	}

	if m.bubble { // no time passes that the model does not know of
		acts["wait"], acts["expire"] = m.doWait, m.doExpire
	}

	for name, f := range acts {
		acts[name] = func(rt *rapid.T) {
			m.rt = rt
			if m.bubble {
				time.Sleep(time.Millisecond) // no two things at the same time
			}
			f(rt)
			m.sweep()
		}
	}
	return acts
}

// sweep lets the owners of ended links find out, and detach them.
func (m *machine) sweep() {
	for _, k := range slices.Clone(m.links) {
		if k.over == nil {
			continue
		}
		_, _, err := k.log.Read(ctx, k.ref, k.cursor, 100, nil)
		m.wants(fmt.Sprintf("Read on the ended link %v", k.ref), err, k.over)
		m.detach(k)
	}
}

func (m *machine) detach(k *linked) {
	m.links = slices.DeleteFunc(m.links, func(o *linked) bool { return o == k })
	left, err := k.log.Detach(ctx, k.ref)
	if m.logs[k.m.id] != k.m { // the session has ended
		if err == nil {
			m.fail("Detach from a session that is over: no error")
		}
		return
	}

	m.must("Detach", err)
	if !slices.Contains(k.r.links, k.modelLink) { // of a reader that quit
		m.wants("departure of who quit", nil, nil)
		return
	}
	k.m.detached(k.r, k.modelLink, left)
}

// over records that a session has ended with that error.
func (m *machine) over(l *model, why error) {
	delete(m.logs, l.id)
	if l.epoch != 0 {
		m.dead[l.epoch] = true
	}
	for _, k := range m.links {
		if k.m == l {
			k.over = why
		}
	}
}

// see records a position that a client was told.
func (m *machine) see(p store.Position) {
	m.tags[place{p.Epoch, p.Seq}] = p.Tag
	m.seen = append(m.seen, history{p, m.lives})
}
