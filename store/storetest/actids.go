package storetest

import (
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

var ids3 = []string{"a", "b", "c"}

// asked chooses the Asked of a step: that of the application, or that of a request that
// has just come, has an old value, or is old itself, but not older than a store must
// remember.
func (m *machine) asked(rt *rapid.T) store.Asked {
	now := m.store.Now()
	old, came := now.Add(-time.Hour), now.Add(-30*time.Second)
	return draw(rt, "asked", []store.Asked{
		{}, {}, {Signed: now, Came: now}, {Signed: old, Came: now}, {Signed: old, Came: came},
	})
}

// bar returns when values of the id were last revoked, or zero if none is refused.
func (id *modelID) bar() time.Time {
	if time.Now().Before(id.until) {
		return id.revoked
	}
	return time.Time{}
}

func (id *modelID) settling(a store.Asked) bool { return !a.Came.IsZero() && a.Came.Before(id.settled) }

// refuses returns why the request's value is not valid, or nil if it is.
func (id *modelID) refuses(a store.Asked) error {
	switch bar := id.bar(); {
	case a.Signed.IsZero() || bar.IsZero() || a.Signed.After(bar):
		return nil
	case id.settling(a):
		return store.ErrMoved
	}
	return store.ErrRevoked
}

// refuses returns why a request is not valid in a session, or nil if it is.
func (m *model) refuses(a store.Asked) error {
	switch {
	case !a.Signed.IsZero() && !a.Signed.After(m.bar):
		return store.ErrRevoked
	case !a.Came.IsZero() && a.Came.Before(m.since):
		return store.ErrMoved
	}
	return nil
}

func (m *machine) doEnd(rt *rapid.T) {
	id := draw(rt, "id", ids3)
	var refuse time.Duration
	why := store.ErrNotFound
	switch rapid.IntRange(0, 5).Draw(rt, "how") {
	case 0:
		refuse, why = 5*kept, store.ErrRevoked
		m.presented(id)
		*m.ids[id] = modelID{
			revoked: time.Now(),
			until:   maxTime(m.ids[id].until, time.Now().Add(refuse)),
		}
	case 1:
	default:
		rt.SkipNow() // sessions should live for a while
	}

	ended, err := m.store.End(ctx, id, refuse)
	l := m.logs[id]
	if l == nil {
		m.wants("End of nothing", err, store.ErrNotFound)
		return
	}

	m.must("End", err)
	l.ended(ended)
	m.over(l, why)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (m *machine) doMove(rt *rapid.T) {
	from, to := draw(rt, "from", ids3), draw(rt, "to", ids3)
	how := store.Moving{
		Asked:  m.asked(rt),
		Client: draw(rt, "client", []string{"", "c1", "c2"}),
		Keep:   draw(rt, "keep", []time.Duration{0, kept / 2, 2 * kept}),
		Settle: 2 * time.Hour,
		Refuse: draw(rt, "refuse", []time.Duration{0, 0, 5 * kept}),
	}
	if m.bubble {
		how.Settle = draw(rt, "settle", []time.Duration{time.Second, kept})
	}
	if rapid.Bool().Draw(rt, "stay") {
		rt.SkipNow()
	}

	l, target := m.logs[from], m.logs[to]
	var left []said
	if l != nil && target != nil && from != to {
		var ok bool
		if left, ok = l.leftovers(); !ok || !m.takes(target, left) {
			rt.SkipNow() // it depends on which entries the store has let leave
		}
	}

	var old store.Log
	if l != nil && from != to {
		var err error
		old, _, err = m.store.Open(ctx, from, store.Asked{}, false, bounds())
		m.must("Open", err)
	}

	at := time.Now() // the store's stamp is not earlier, and the next Asked is later than both
	gone, err := m.store.Move(ctx, from, to, how)
	was, is := m.ids[from], m.ids[to]
	switch want := was.refuses(how.Asked); {
	case from == to:
		m.must("Move to itself", err)
		return
	case want != nil:
		m.wants("Move", err, want)
		return
	case !how.Came.IsZero() && !how.Came.After(is.bar()):
		m.wants("Move to what was revoked", err, store.ErrRevoked)
		return
	}

	m.must("Move", err)
	if how.Refuse > 0 {
		m.presented(from)
		was.revoked, was.until = at, maxTime(was.until, time.Now().Add(how.Refuse))
	}

	is.to = "" // it is in use again
	if l != nil || !time.Now().Before(was.settled) {
		was.settled = at.Add(how.Settle)
	}
	if how.Client != "" && how.Keep > 0 {
		was.to, was.client, was.leadsUntil = to, how.Client, time.Now().Add(how.Keep)
	}

	if l == nil {
		return
	}
	l.departed(gone)
	m.stale = append(m.stale, old)
	if target == nil {
		l.moved(to, how.Keep)
		l.bar, l.since = is.bar(), time.Time{}
		delete(m.logs, from)
		m.logs[to] = l
		return
	}

	m.over(l, store.ErrMoved)
	target.absorbed = append(target.absorbed, l.epoch)
	target.previous, target.prevTil = from, time.Now().Add(how.Keep)

	for _, s := range left {
		target.settle()
		if target.outdated(s) {
			continue
		}
		if must, _ := target.fits(s); !must {
			break
		}
		s.at = time.Now()
		target.take(s)
	}
}

// takes reports whether it is certain which of the messages find room, and whether they
// are for all readers.
func (m *machine) takes(l *model, left []said) bool {
	c := *l
	c.all = slices.Clone(l.all)
	for _, s := range left {
		c.settle()
		if older := c.older(s); older >= c.lo && older < c.hi {
			return false
		}
		if c.outdated(s) {
			continue
		}
		must, may := c.fits(s)
		if must != may || s.to != "" {
			return false
		}
		if !must {
			return true
		}
		c.take(s)
	}
	return true
}

// doStale takes a step with a handle from before a Move.
func (m *machine) doStale(rt *rapid.T) {
	log := draw(rt, "handle", m.stale)
	ref := store.LinkRef{Reader: draw(rt, "reader", readerNames)}
	if len(m.refs) > 0 && rapid.Bool().Draw(rt, "of a link") {
		ref = draw(rt, "link", m.refs).was
	}

	steps := map[string]func() error{
		"Append":   func() error { _, err := log.Append(ctx, text("stale"), ""); return err },
		"AppendTo": func() error { _, err := log.Append(ctx, text("stale"), ref.Reader); return err },
		"Attach": func() error {
			_, err := log.Attach(ctx, store.Claim{Reader: ref.Reader, Asked: m.asked(rt)})
			return err
		},
		"goOn": func() error {
			_, err := log.Attach(ctx, store.Claim{Reader: ref.Reader, Link: max(1, ref.Number)})
			return err
		},
		"Read":  func() error { _, _, err := log.Read(ctx, ref, 0, 100, nil); return err },
		"Ack":   func() error { return log.Ack(ctx, ref, store.Position{}) },
		"Quit":  func() error { _, _, err := log.Quit(ctx, ref); return err },
		"Renew": func() error { return log.Renew(ctx) },
		"Begin": func() error { _, _, err := log.Begin(ctx, ref, "w1", 1, 1, time.Hour); return err },
	}

	name := draw(rt, "step", []string{"Append", "AppendTo", "Attach", "goOn", "Read", "Ack", "Quit", "Renew", "Begin"})
	m.wants(name+" by an old handle", steps[name](), store.ErrMoved)
}

// doRenew ends the links of a session.
func (m *machine) doRenew(rt *rapid.T) {
	l, log := m.log(rt)
	if rapid.IntRange(0, 3).Draw(rt, "really") > 0 {
		rt.SkipNow()
	}

	m.must("Renew", log.Renew(ctx))
	l.since = maxTime(l.since, time.Now())

	for _, k := range m.refs {
		if k.m == l {
			k.renewed = true
		}
	}
	for _, r := range l.readers {
		for _, k := range r.links {
			if k.over == nil {
				k.over = store.ErrRenewed
			}
		}
	}
}

// doAsk opens an existing session for a request.
func (m *machine) doAsk(rt *rapid.T) {
	l, _ := m.log(rt)
	a := m.asked(rt)
	_, _, err := m.store.Open(ctx, l.id, a, rapid.Bool().Draw(rt, "create"), bounds())
	if want := l.refuses(a); want != nil {
		m.wants("Open", err, want)
		return
	}
	m.must("Open", err)
}

func (m *machine) doResolve(rt *rapid.T) {
	id := draw(rt, "id", ids3)
	client := draw(rt, "client", []string{"", "c1", "c2"})
	a := m.asked(rt)
	is, err := m.store.Resolve(ctx, id, a, client)
	m.must("Resolve", err)

	state := m.ids[id]
	refused := state.refuses(a)
	at := state.bar()
	quiet := state.settling(a) || !a.Came.IsZero() && !at.IsZero() && a.Came.Before(at.Add(store.Settle))
	m.same("quiet", is.Quiet, quiet)
	switch {
	case errors.Is(refused, store.ErrMoved):
		m.same("state", is.State, store.StateSettling)
		return
	case refused != nil:
		m.same("state", is.State, store.StateRevoked)
		return
	}
	m.same("state", is.State, store.StateGood)
	m.presented(id)

	want := id
	for client != "" {
		st := m.ids[want]
		if st.to == "" || st.client != client || !time.Now().Before(st.leadsUntil) {
			break
		}
		want = st.to
	}
	m.same("resolved", is.ID, want)
}

// presented ends every way by which an old id leads to id.
func (m *machine) presented(id string) {
	for from, st := range m.ids {
		if st.to == id {
			st.to = ""
			m.presented(from)
		}
	}
}
