package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

func (m *model) accepted(writer string) uint64 {
	for _, w := range m.writers {
		if w.name == writer {
			return w.last
		}
	}
	return 0
}

// attached checks the store's answer to a claim for a new link. foreign holds the reasons
// that the store may give for another epoch.
func (m *model) attached(c store.Claim, a store.Attached, log store.Log, foreign []store.Missing) *modelLink {
	m.settle()
	m.knownSent(a.Sent)
	r := m.reader(c.Reader)
	start := m.mark
	if r != nil {
		start = r.acked
	} else if c.Plain {
		start = max(m.mark, a.Sent)
	}

	p, got := c.Position, a.Lost
	var reasons []store.Missing // none: resumed
	var miss store.Lost
	owns := false // the client has everything up to start
	switch {
	case c.Given == store.GivenNothing:
		reasons = []store.Missing{store.MissingNoPosition}
	case c.Given == store.GivenMalformed:
		reasons = []store.Missing{store.MissingUnreadable}
	case foreign != nil:
		reasons = foreign
		if a.Reason != store.MissingNoPosition { // of another id that was revoked
			miss.From = p.Seq + 1
		}
		if r == nil {
			start = 0
		}
	case r != nil && p.Seq < r.acked: // sent before it acknowledged more
		owns = true
	case p.Seq > m.top():
		reasons, miss = []store.Missing{store.MissingAhead}, store.Lost{From: m.top() + 1, To: p.Seq}
		start, owns = m.top(), true
	case p.Seq+1 < m.lo || p.Seq+1 < m.hi && !a.Resumed:
		m.gap(store.Lost{From: p.Seq + 1, To: got.To})
		reasons, miss = []store.Missing{store.MissingTrimmed}, store.Lost{From: p.Seq + 1, To: got.To}
		start, owns = p.Seq, true
	default:
		m.remain(p.Seq + 1)
		start, owns = p.Seq, true
	}

	if got != miss || a.Resumed != (reasons == nil) || a.Resumed && a.Reason != "" ||
		reasons != nil && !slices.Contains(reasons, a.Reason) {
		m.fail("attached: resumed %v, reason %q, lost %v; want one of %q (none: resumed), lost %v",
			a.Resumed, a.Reason, got, reasons, miss)
	}

	m.placed(a.Position, start)
	m.same("accepted", a.Accepted, m.accepted(c.Reader))
	m.same("fresh", a.Fresh, r == nil)
	m.same("joined", a.Joined, r == nil || !r.here)

	previous := ""
	if time.Now().Before(m.prevTil) {
		previous = m.previous
	}
	m.same("previous", a.Previous, previous)

	if r == nil {
		m.readers = slices.DeleteFunc(m.readers, func(o *modelReader) bool { return o.name == c.Reader })
		r = &modelReader{name: c.Reader, plain: c.Plain, acked: start, sent: start}
		m.readers = append(m.readers, r)
		if !owns {
			r.began = start
		}
	}
	if owns {
		m.acknowledge(r, start)
	}
	r.here = true

	if o, why, _ := m.crowded(c.Reader); o != nil {
		o.over = why
	}

	k := &modelLink{ref: a.Link, log: log, cursor: start, heard: time.Now()}
	m.same("link's reader", a.Link.Reader, c.Reader)
	r.links = append(r.links, k)
	m.resting = time.Time{}
	m.settle()
	return k
}

func (m *model) same(what string, got, want any) {
	if got != want {
		m.fail("%s: got %v, want %v", what, got, want)
	}
}

// crowded returns which link makes room for one more of the reader, and how it ends. full
// reports whether room is needed, but no link makes it.
func (m *model) crowded(reader string) (k *modelLink, why error, full bool) {
	var live, spare []*modelLink
	for _, r := range m.readers {
		var its []*modelLink
		for _, k := range r.links {
			if k.over == nil {
				its = append(its, k)
			}
		}
		live = append(live, its...)
		if len(its) > 1 || r.name == reader {
			spare = append(spare, its...)
		}
	}

	byHeard := func(a, b *modelLink) int {
		return cmp.Or(a.heard.Compare(b.heard), cmp.Compare(a.ref.Number, b.ref.Number))
	}

	switch {
	case len(live) < m.b.MaxLinks:
		return nil, nil, false
	case len(spare) > 0:
		return slices.MinFunc(spare, byHeard), store.ErrSuperseded, false
	}
	k = slices.MinFunc(live, byHeard)
	return k, store.ErrCrowded, time.Since(k.heard) < m.b.Quiet
}

// speak records that the client uses a link.
func (m *model) speak(r *modelReader, k *modelLink) {
	k.heard = time.Now()
	if k.ref.Number <= r.spoken {
		return
	}
	r.spoken = k.ref.Number
	for _, o := range r.links {
		if o.ref.Number < k.ref.Number && o.over == nil {
			o.over = store.ErrSuperseded
		}
	}
}

// wentOn checks the store's answer to another request that carries a link.
func (m *model) wentOn(r *modelReader, k *modelLink, c store.Claim, a store.Attached, mine bool) {
	m.settle()
	start := r.acked
	if mine {
		m.acknowledge(r, c.Position.Seq)
		start = r.acked
	}

	m.speak(r, k)
	m.same("resumed", a.Resumed, true)
	m.same("joined", a.Joined, false)
	m.same("link", a.Link.Number, k.ref.Number)
	m.placed(a.Position, start)
	m.knownSent(a.Sent)
	k.ref, k.cursor = a.Link, start
	m.settle()
}

// read checks what the store returned to a link.
func (m *model) read(r *modelReader, k *modelLink, max64 int, entries []store.Entry, t store.Tail) {
	m.settle()
	k.cursor = max(k.cursor, r.acked)

	if !t.Gap.IsZero() {
		m.same("gap from", t.Gap.From, k.cursor+1)
		m.gap(t.Gap)
		m.gapReason(k.cursor, t.GapReason)
		m.same("told", t.Told, r.told >= t.Gap.To)
		r.told = t.Gap.To
		k.cursor = t.Gap.To
	} else {
		m.same("the reason of no gap", t.GapReason, store.Missing(""))
		if k.cursor+1 < m.lo {
			m.fail("no gap after %d; the oldest entry is %d or higher", k.cursor, m.lo)
		}
		m.remain(max(m.lo, k.cursor+1))
	}

	if len(entries) == 0 && m.next(k.cursor) <= m.top() {
		m.fail("nothing after %d; there is %d", k.cursor, m.next(k.cursor))
	}

	room := max64
	for i, e := range entries {
		k.cursor = m.next(k.cursor)
		m.same("seq", e.Seq, k.cursor)
		if e.Seq > m.top() {
			m.fail("seq %d is beyond the top %d", e.Seq, m.top())
		}
		s := m.all[e.Seq-1]
		if s.to != "" && s.to != r.name {
			m.same("an entry for another reader has a message", e.Message != nil, false)
			continue
		}
		if e.Message == nil {
			m.fail("entry %d for %q came without its message to %q", e.Seq, s.to, r.name)
		}
		m.same("text", string(e.Message.Data), s.text)
		m.same("event", e.Message.Event, s.event)
		m.same("key", e.Message.Key, s.key)
		if room -= e.Message.Size(); room < 0 && i > 0 {
			m.fail("%d entries are more than %d bytes", len(entries), max64)
		}
	}

	for _, u := range t.Undelivered {
		from, to := m.all[u.Lost.From-1], m.all[max(u.Lost.From, u.Lost.To)-1]
		if u.Lost.To < u.Lost.From || from.to != u.Reader || to.to != u.Reader ||
			from.passed == passedYes || to.passed == passedYes {
			m.fail("%+v is told to be undelivered", u)
		}
	}

	m.same("more", t.More, m.next(k.cursor) <= m.top())
	m.same("epoch", t.Epoch, m.epoch)
	m.same("acked", t.Acked, r.acked)
	m.same("accepted", t.Accepted, m.accepted(r.name))

	r.sent = max(r.sent, k.cursor)
	m.sentHi = max(m.sentHi, k.cursor)
	if len(entries) > 0 {
		m.sentLo = max(m.sentLo, k.cursor)
	}
	m.settle()
}

// detached checks the store's answer to the end of a link.
func (m *model) detached(r *modelReader, k *modelLink, left uint64) {
	r.links = slices.DeleteFunc(r.links, func(o *modelLink) bool { return o == k })
	if len(r.links) > 0 {
		m.same("departure", left, uint64(0))
		return
	}
	if left == 0 || left == r.left {
		m.fail("departure %d after %d", left, r.left)
	}
	r.left, r.leftAt = left, time.Now()
	if !m.linked() {
		m.resting = time.Now()
	}
	m.settle()
}

// quit checks the store's answer to the goodbye of a reader that is known. It reports
// whether the session has ended.
func (m *model) quit(r *modelReader, here bool, ended *store.Ended) bool {
	m.same("here", here, r.here)
	m.readers = slices.DeleteFunc(m.readers, func(o *modelReader) bool { return o == r })
	last := !slices.ContainsFunc(m.readers, func(o *modelReader) bool { return !m.forgotten(o) })
	m.same("the session is over", ended != nil, last)
	if last {
		m.ended(*ended)
		return true
	}
	if !m.linked() && m.resting.IsZero() {
		m.resting = time.Now()
	}
	m.settle()
	return false
}

// ended checks what a session left behind.
func (m *model) ended(e store.Ended) {
	m.settle()
	m.same("ended id", e.ID, m.id)
	if m.epoch != 0 {
		m.same("ended epoch", e.Epoch, m.epoch)
	}

	below := 0
	for seq := m.lo; seq <= m.mark; seq++ {
		here := below < len(e.Messages) && e.Messages[below].Seq == seq
		switch may, must := m.lacks(seq); {
		case here && !may:
			m.fail("%d was acknowledged by every reader it was for, but is among the undelivered", seq)
		case !here && must && seq >= m.hi:
			m.fail("%d was for %s alone, which did not acknowledge it, but is not among the undelivered",
				seq, m.all[seq-1].to)
		case here:
			below++
		}
	}

	m.said(e.Messages[:below])

	// Above the mark, the oldest may have left.
	above := e.Messages[below:]
	from := m.next(max(m.mark+1, m.lo) - 1)
	if len(above) > 0 && above[0].Seq != from {
		m.knownFloor(above[0].Seq)
		from = above[0].Seq
	} else if len(above) == 0 && from <= m.top() {
		m.knownFloor(m.top() + 1)
		from = m.top() + 1
	}
	for _, got := range above {
		m.same("ended seq", got.Seq, from)
		from = m.next(from)
	}
	m.same("the end of the ended", from, m.top()+1)
	m.said(above)
}

// said checks the entries of an ended session.
func (m *model) said(entries []store.Entry) {
	for _, got := range entries {
		m.same("ended text", string(got.Message.Data), m.all[got.Seq-1].text)
		m.same("ended reader", got.Reader, m.all[got.Seq-1].to)
	}
}

// lacks reports whether an entry may, and whether it must, be one for a reader alone that
// has not acknowledged it. The model does not know this for a reader that is no longer
// remembered, or for an entry that is older than a new reader.
func (m *model) lacks(seq uint64) (may, must bool) {
	to := m.all[seq-1].to
	if to == "" || m.all[seq-1].passed != passedNo {
		return false, false
	}
	if r := m.reader(to); r != nil && seq > r.began {
		return r.acked < seq, r.acked < seq
	}
	return true, false
}

// begun checks the store's answer to a writer.
func (m *model) begun(name string, base, n uint64, t store.Turn, last uint64) {
	if n == 0 {
		m.same("turn", turn(t), "done")
		m.same("last", last, m.accepted(name))
		return
	}

	i := slices.IndexFunc(m.writers, func(w modelWriter) bool { return w.name == name })
	w := modelWriter{name: name, last: base - 1}
	if i >= 0 {
		w = m.writers[i]
		w.last = max(w.last, base-1)
		m.writers = slices.Delete(m.writers, i, i+1)
	} else if len(m.writers) >= m.b.MaxWriters {
		if j := slices.IndexFunc(m.writers, func(w modelWriter) bool { return w.busy == 0 }); j >= 0 {
			m.writers = slices.Delete(m.writers, j, j+1)
		}
	}

	want := store.TurnDeliver
	switch {
	case n <= w.last:
		want = store.TurnDone
	case n > w.last+1:
		want = store.TurnEarly
	case w.busy != 0:
		want = store.TurnBusy
	}

	m.same("turn", turn(t), turn(want))
	m.same("last", last, w.last)
	if want == store.TurnDeliver {
		w.busy = n
	}
	m.writers = append(m.writers, w)
}

func (m *model) committed(name string, n uint64, handled bool) {
	for i := range m.writers {
		if w := &m.writers[i]; w.name == name && w.busy == n && n != 0 {
			w.busy = 0
			if handled {
				w.last = max(w.last, n)
			}
		}
	}
}

// moved records that the session continues under another id.
func (m *model) moved(to string, keep time.Duration) {
	m.previous, m.prevTil = m.id, time.Now().Add(keep)
	m.id = to
	m.moves++
	for _, r := range m.readers {
		for _, k := range r.links {
			if k.over == nil {
				k.over = store.ErrMoved
			}
		}
	}
}

// departed checks the readers that were here when the session moved.
func (m *model) departed(left []store.Left) {
	told := make(map[string]bool)
	for _, l := range left {
		m.same("id before", l.ID, m.id)
		m.same("told twice", told[l.Reader], false)
		told[l.Reader] = true
	}
	for _, r := range m.readers {
		if !m.forgotten(r) {
			m.same("gone: "+r.name, told[r.name], r.here)
		}
		r.here = false
	}
}

// left returns what a session that is joined to another one hands over: the texts above
// its mark. ok is false if that depends on which entries the store has let leave.
func (m *model) leftovers() (left []said, ok bool) {
	m.settle()
	from := max(m.mark+1, m.lo)
	ok = from >= m.hi
	for seq := m.lo; seq <= m.mark; seq++ {
		may, must := m.lacks(seq)
		if must && seq >= m.hi {
			left = append(left, m.all[seq-1])
		} else if may {
			ok = false
		}
	}
	for seq := m.next(from - 1); seq <= m.top(); seq = m.next(seq) {
		left = append(left, m.all[seq-1])
	}
	return left, ok
}
