package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

func (m *machine) doOpen(rt *rapid.T) {
	id := draw(rt, "id", ids3)
	if m.logs[id] != nil {
		rt.SkipNow()
	}

	asked := m.asked(rt)
	b := bounds(keptFor(kept), messages(rapid.IntRange(1, 6).Draw(rt, "messages")))
	b.MaxLinks, b.MaxWriters = 100, 2
	if m.bubble {
		b.MaxLinks = rapid.IntRange(1, 4).Draw(rt, "links")
		b.Quiet = rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(rt, "quiet")
	}
	if rapid.Bool().Draw(rt, "few bytes") {
		b.MaxBytes = int64(3*text("").Size() + 30)
	}
	if rapid.Bool().Draw(rt, "drop") {
		b.Overflow = store.OverflowDropOldest
	}

	_, created, err := m.store.Open(ctx, id, asked, true, b)
	if want := m.ids[id].refuses(asked); want != nil || m.ids[id].settling(asked) {
		if want == nil {
			want = store.ErrMoved
		}
		m.wants("Open", err, want)
		return
	}

	m.must("Open", err)
	if !created {
		m.fail("session %q is there already", id)
	}
	m.logs[id] = newModel(id, b, m.fail)
	m.logs[id].bar, m.logs[id].since = m.ids[id].bar(), m.ids[id].settled
}

func (m *machine) append(rt *rapid.T, l *model, log store.Log, to string) {
	m.texts++
	more := strings.Repeat("x", rapid.SampledFrom([]int{0, 0, 10, 100, 500}).Draw(rt, "length"))
	s := said{text: fmt.Sprintf("%d%s", m.texts, more), to: to, at: time.Now(), sent: time.Now()}
	msg := text(s.text)
	if !m.without.Keys {
		m.special(rt, msg)
		s.event, s.key = msg.Event, msg.Key
		if msg.TTL > 0 {
			s.until = s.sent.Add(msg.TTL)
		}
	}
	s.size = int64(msg.Size())

	p, err := log.Append(ctx, msg, to)
	if to != "" && l.reader(to) == nil {
		m.wants("Append to nobody", err, store.ErrNotFound)
		return
	}
	if !errors.Is(err, store.ErrFull) {
		m.must("Append", err)
	}

	l.appended(s, err != nil, p)
	if err == nil {
		m.see(p)
	}
}

func (m *machine) doAppend(rt *rapid.T) {
	l, log := m.log(rt)
	m.append(rt, l, log, "")
}

func (m *machine) doAppendTo(rt *rapid.T) {
	l, log := m.log(rt)
	to := draw(rt, "to", readerNames)
	if l.overdue(to) {
		rt.SkipNow()
	}
	m.append(rt, l, log, to)
}

// doPressure fills a log beyond its bounds.
func (m *machine) doPressure(rt *rapid.T) {
	l, log := m.log(rt)
	for range l.b.MaxMessages + 1 {
		m.append(rt, l, log, "")
	}
}

var readerNames = []string{"r1", "r2", "r3", "p1", "p2"}

func (m *machine) doAttach(rt *rapid.T) {
	l, log := m.log(rt)
	c := store.Claim{Reader: draw(rt, "reader", readerNames)}
	c.Plain = c.Reader[0] == 'p'
	c.Given = draw(rt, "given", []store.Given{
		store.GivenNothing, store.GivenPresented, store.GivenPresented, store.GivenPresented, store.GivenMalformed,
	})

	var foreign []store.Missing
	if c.Given == store.GivenPresented {
		c.Position, foreign = m.position(rt, l)
	}
	c.Asked = m.asked(rt)

	a, err := log.Attach(ctx, c)
	if want := l.refuses(c.Asked); want != nil {
		m.wants("Attach", err, want)
		return
	}

	l.settle()
	if _, _, full := l.crowded(c.Reader); full {
		m.wants("Attach to a crowded session", err, store.ErrCrowded)
		return
	}
	m.must("Attach", err)

	k := &linked{m: l, modelLink: l.attached(c, a, log, foreign), was: a.Link, moves: l.moves}
	k.r = l.reader(c.Reader)
	m.links, m.refs = append(m.links, k), append(m.refs, k)
	m.see(a.Position)
}

// position chooses a position that a client has seen, or a neighbour of it.
func (m *machine) position(rt *rapid.T, l *model) (p store.Position, foreign []store.Missing) {
	some := m.seen
	if rapid.IntRange(0, 3).Draw(rt, "whose") > 0 {
		some = slices.DeleteFunc(slices.Clone(some), func(h history) bool { return h.Epoch != l.epoch })
	}

	h := draw(rt, "position", some)
	p = h.Position
	switch rapid.IntRange(0, 9).Draw(rt, "how") {
	case 0:
		p.Seq += rapid.Uint64Range(1, 3).Draw(rt, "beyond")
	case 1:
		p.Seq -= min(p.Seq, rapid.Uint64Range(1, 3).Draw(rt, "before"))
	}
	p.Tag = m.tags[place{p.Epoch, p.Seq}]
	return p, m.foreign(h, l)
}

// foreign returns the reasons that the log may give for not knowing the epoch, or nil if
// it is its own.
func (m *machine) foreign(h history, l *model) []store.Missing {
	switch {
	case h.Epoch == l.epoch:
		return nil
	case h.life != m.lives:
		return []store.Missing{store.MissingRestarted}
	case slices.Contains(l.absorbed, h.Epoch):
		return []store.Missing{store.MissingRelocated}
	default:
		return []store.Missing{store.MissingExpired, store.MissingRelocated, store.MissingNoPosition}
	}
}

func (m *machine) doGoOn(rt *rapid.T) {
	k := m.link(rt)
	c := store.Claim{Reader: k.ref.Reader, Link: k.ref.Number}
	mine := false
	if rapid.Bool().Draw(rt, "with a position") {
		c.Given = store.GivenPresented
		var foreign []store.Missing
		c.Position, foreign = m.position(rt, k.m)
		mine = foreign == nil
	}

	a, err := k.log.Attach(ctx, c)
	if mine && c.Position.Seq > k.m.top() {
		m.wants("Attach beyond the top", err, store.ErrAhead)
		return
	}
	m.must("Attach", err)

	old := k.ref
	k.m.wentOn(k.r, k.modelLink, c, a, mine)
	_, _, err = k.log.Read(ctx, old, 0, 100, nil)
	m.wants("Read by the request before", err, store.ErrSuperseded)
	left, err := k.log.Detach(ctx, old)
	if err != nil || left != 0 {
		m.fail("Detach by the request before: departure %d, %v", left, err)
	}
}

func (m *machine) read(k *linked, max int) {
	entries, tail, err := k.log.Read(ctx, k.ref, k.cursor, max, nil)
	m.must("Read", err)
	k.m.read(k.r, k.modelLink, max, entries, tail)
	if !tail.Gap.IsZero() {
		m.see(store.Position{Epoch: tail.Epoch, Seq: tail.Gap.To, Tag: tail.Tag})
	}
	for _, e := range entries {
		m.see(store.Position{Epoch: tail.Epoch, Seq: e.Seq, Tag: e.Tag})
	}
}

func (m *machine) doRead(rt *rapid.T) {
	m.read(m.link(rt), rapid.IntRange(0, 500).Draw(rt, "max"))
}

func (m *machine) doReadAll(rt *rapid.T) {
	k := m.link(rt)
	for m.read(k, 1<<20); k.m.next(k.cursor) <= k.m.top(); m.read(k, 1<<20) {
	}
}

// doAck acknowledges any position on any link that ever existed.
func (m *machine) doAck(rt *rapid.T) {
	k := draw(rt, "link", m.refs)
	if m.logs[k.m.id] != k.m || k.m.overdue(k.was.Reader) {
		rt.SkipNow()
	}
	var p store.Position
	if rapid.IntRange(0, 4).Draw(rt, "something") > 0 {
		p, _ = m.position(rt, k.m)
	}
	m.ack(k, p)
}

func (m *machine) doAckCursor(rt *rapid.T) {
	k := m.link(rt)
	m.ack(k, store.Position{Epoch: k.m.epoch, Seq: k.cursor, Tag: m.tags[place{k.m.epoch, k.cursor}]})
}

func (m *machine) ack(k *linked, p store.Position) {
	l := k.m
	err := k.log.Ack(ctx, k.was, p)
	r := l.reader(k.was.Reader)
	switch {
	case k.moves != l.moves:
		m.wants("Ack by an old handle", err, store.ErrMoved)
		return
	case k.renewed:
		m.wants("Ack on a renewed link", err, store.ErrRenewed)
		return
	case r == nil:
		m.wants("Ack by nobody", err, store.ErrNotFound)
		return
	case p.Epoch == l.epoch && p.Seq > l.top():
		m.wants("Ack beyond the top", err, store.ErrAhead)
		return
	}

	m.must("Ack", err)
	l.settle()
	for _, o := range r.links {
		if o.ref.Number == k.was.Number {
			l.speak(r, o)
		}
	}
	if p.Epoch == l.epoch {
		l.acknowledge(r, p.Seq)
	}
	l.settle()
}

func (m *machine) doDetach(rt *rapid.T) {
	k := m.link(rt)
	m.detach(k)
	if left, err := k.log.Detach(ctx, k.ref); err != nil || left != 0 {
		m.fail("a second Detach: departure %d, %v", left, err)
	}
}

func (m *machine) doLeave(rt *rapid.T) {
	l, log := m.log(rt)
	name := draw(rt, "reader", readerNames)
	if l.overdue(name) {
		rt.SkipNow()
	}
	r := l.reader(name)
	left := uint64(1)
	if r != nil {
		left = r.left
		if rapid.IntRange(0, 4).Draw(rt, "an old one") == 0 {
			left--
		}
	}

	gone, err := log.Leave(ctx, name, left)
	m.must("Leave", err)
	want := r != nil && r.here && r.left == left && left != 0 && len(r.links) == 0
	l.same("gone", gone, want)
	if gone {
		r.here = false
	}
}

func (m *machine) doQuit(rt *rapid.T) {
	l, log := m.log(rt)
	name := draw(rt, "reader", readerNames)
	if l.overdue(name) || rapid.IntRange(0, 2).Draw(rt, "really") > 0 {
		rt.SkipNow()
	}

	r := l.reader(name)
	here, ended, err := log.Quit(ctx, store.LinkRef{Reader: name})
	if r == nil {
		m.wants("Quit of nobody", err, store.ErrNotFound)
		return
	}
	m.must("Quit", err)
	if l.quit(r, here, ended) {
		m.over(l, store.ErrNotFound)
	}

	m.links = slices.DeleteFunc(m.links, func(k *linked) bool {
		if k.r != r {
			return false
		}
		if _, _, err := k.log.Read(ctx, k.ref, k.cursor, 100, nil); err == nil {
			m.fail("a link of a reader that quit reads on")
		}
		return true
	})
}

var writerNames = []string{"r1", "w1", "w2"}

func (m *machine) doBegin(rt *rapid.T) {
	l, log := m.log(rt)
	name := draw(rt, "writer", writerNames)
	last := l.accepted(name)
	n := last + rapid.Uint64Range(0, 3).Draw(rt, "number") // from the last one, mostly 1 ahead
	if rapid.IntRange(0, 9).Draw(rt, "only ask") == 0 {
		n = 0
	}
	base := rapid.Uint64Range(1, max(1, n)).Draw(rt, "base")
	t, last, err := log.Begin(ctx, store.LinkRef{}, name, base, n, time.Hour)
	m.must("Begin", err)
	l.begun(name, base, n, t, last)
}

func (m *machine) doCommit(rt *rapid.T) {
	l, log := m.log(rt)
	name := draw(rt, "writer", writerNames)
	n := l.accepted(name) + rapid.Uint64Range(0, 2).Draw(rt, "number")
	handled := rapid.IntRange(0, 3).Draw(rt, "handled") > 0
	m.must("Commit", log.Commit(ctx, name, n, handled))
	l.committed(name, n, handled)
}

func (m *machine) same(what string, got, want any) {
	if got != want {
		m.fail("%s: got %v, want %v", what, got, want)
	}
}

func (m *machine) doRestart(rt *rapid.T) {
	if rapid.IntRange(0, 4).Draw(rt, "really") > 0 {
		rt.SkipNow()
	}
	m.finish()
	m.restart()
}

// doWait lets time pass. The owners of links read meanwhile.
func (m *machine) doWait(rt *rapid.T) {
	d := draw(rt, "for", []time.Duration{time.Second, kept / 3, kept, 2 * kept})
	for range 4 {
		time.Sleep(d / 4)
		for _, k := range m.links {
			m.read(k, 1000)
		}
	}
}

func (m *machine) doExpire(rt *rapid.T) {
	want := map[string]bool{}
	for id, l := range m.logs {
		if !l.resting.IsZero() && time.Since(l.resting) >= l.b.Retention {
			want[id] = true
		}
	}

	n := rapid.IntRange(1, 4).Draw(rt, "max")
	due, err := m.store.Expired(ctx, n)
	ended, next := due.Ended, due.Next
	m.must("Expired", err)
	m.same("sessions ended", len(ended), min(n, len(want)))

	for _, e := range ended {
		if !want[e.ID] {
			m.fail("%q ended before its time, or twice", e.ID)
		}
		delete(want, e.ID)
		m.logs[e.ID].ended(e)
		m.over(m.logs[e.ID], store.ErrNotFound)
	}
	if len(want) > 0 {
		return
	}

	least := time.Duration(0)
	for _, l := range m.logs {
		if left := l.b.Retention - time.Since(l.resting); !l.resting.IsZero() && (least == 0 || left < least) {
			least = left
		}
	}
	if n > len(ended) { // it checked all
		m.same("next", next, least)
	}
}
