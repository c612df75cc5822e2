package memory

import (
	"slices"

	"github.com/mirage-go/mirage/store"
)

// What a step has changed of a log is found by comparing the log with what was saved of
// it. So no step can change something and forget to save it. Memberships are the
// exception: memberships.changed says that they have changed.
//
// A section of a log has its epoch, and then these parts up to partEnd.
const (
	partEnd     byte = iota
	partWhole        // what was saved before does not count
	partGone         // the log has ended
	partNumbers      // logState
	partRest         // what seldom changes: see saveRest
	partEntry        // an entry at the top
	partReader       // the state of a reader
	partReaders      // which readers there are: all others are forgotten
	partWriter       // a writer, which is the most recent one
	partWriters      // which writers there are
	partTopics       // the memberships in topics
	partLoss         // why entries left that a reader needed
)

// savedLog is what the journal has of a log.
type savedLog struct {
	logState
	loss      loss
	idle      int64 // until when it rests; 0 if it has links
	isSparse  bool
	top       uint64 // of the entries
	rest      string // as it was encoded
	isPlain   bool   // rest has the id and the bounds alone
	bounds    *store.Bounds
	readers   int // how many of them were saved
	writers   int
	gone      bool
	topics    bool
	began     bool   // the log has a beginning in the journal: partWhole
	recovered bool   // its bounds are those of an earlier process
	weight    int64  // what it counts in journaling.live
	base      uint32 // no earlier segment has anything that is needed of it
}

// idleUntil returns until when the log lives without links, or 0 if it has links.
func (l *memLog) idleUntil() int64 {
	if l.resting == nil {
		return 0
	}
	return l.resting.Value.(*idleLog).until
}

// save appends the section of the log to r, if something has changed. The caller holds
// the log's lock.
func (l *memLog) save(r *record) {
	s := l.saved
	if s == nil || s.gone {
		return
	}
	began := len(*r)
	r.byte(sectionLog)
	r.fixed(l.epoch)
	empty := len(*r)

	if l.gone != nil {
		r.byte(partGone)
		s.gone = true
	} else {
		if !s.began {
			r.byte(partWhole)
			s.began, s.base = true, l.store.journal.Current()
		}
		l.saveRest(r)
		l.saveNumbers(r)
		l.saveLoss(r)
		l.saveEntries(r)
		l.saveReaders(r)
		l.saveWriters(r)
		l.saveTopics(r)
	}

	if len(*r) == empty {
		*r = (*r)[:began]
		return
	}
	r.byte(partEnd)
	l.weigh()
}

// saveWhole appends everything of the log to r.
func (l *memLog) saveWhole(r *record) {
	s := l.saved
	*s = savedLog{weight: s.weight, gone: s.gone, recovered: s.recovered}
	for _, o := range l.readers {
		o.saved = nil
	}
	for i := range l.writers {
		l.writers[i].saved = savedWriter{}
	}
	l.save(r)
}

// markSaved notes that the journal has everything of the log, which was loaded from it.
func (l *memLog) markSaved() {
	s := l.saved
	s.top, s.logState, s.loss, s.isSparse = l.top(), l.logState, l.loss, l.sparse != nil
	for _, r := range l.readers {
		is := r.readerState
		r.saved = &is
	}
	for i := range l.writers {
		w := &l.writers[i]
		w.saved = savedWriter{true, w.last, w.again}
	}
	s.readers, s.writers, s.topics = len(l.readers), len(l.writers), l.topics != nil
	l.saveRest(new(record))
	l.weigh()
}

// weigh updates what the log counts in journaling.live.
func (l *memLog) weigh() {
	now := int64(0)
	if l.gone == nil {
		now = 128 + l.bytes + 80*int64(len(l.readers)) + 40*int64(len(l.writers))
	}
	if d := now - l.saved.weight; d != 0 {
		l.saved.weight = now
		l.store.journal.live.Add(d)
	}
}

func (l *memLog) saveNumbers(r *record) {
	s, idle := l.saved, l.idleUntil()
	if s.logState == l.logState && s.idle == idle && (l.sparse != nil) == s.isSparse {
		return
	}
	s.logState, s.idle, s.isSparse = l.logState, idle, l.sparse != nil
	r.byte(partNumbers)
	r.flags(s.isSparse)
	r.uint(l.floor)
	r.uint(l.top())
	r.uint(l.mark)
	r.uint(l.sent)
	r.int(l.bar)
	r.int(l.since)
	r.uint(l.first)
	r.uint(l.number)
	r.uint(l.renewed)
	r.uint(l.departs)
	r.int(idle)
}

func (l *memLog) saveLoss(r *record) {
	if l.saved.loss == l.loss {
		return
	}
	l.saved.loss = l.loss
	r.byte(partLoss)
	r.uint(l.loss.to)
	r.byte(byte(l.loss.why))
}

// saveEntries saves the entries that came since the last time, and that have not left.
func (l *memLog) saveEntries(r *record) {
	s, top := l.saved, l.top()
	if top == s.top {
		return
	}
	for i := l.next(max(s.top, l.floor-1)); i < l.entries.n; i++ {
		e, seq := l.entries.at(i), l.seqAt(i)
		if e.message == nil {
			continue
		}
		var t lifetime
		if l.sparse != nil {
			t = l.sparse.places.at(i).lifetime
		}
		r.byte(partEntry)
		r.uint(seq)
		r.uint(uint64(e.at))
		r.text(l.only[seq])
		r.int(t.sent)
		r.int(t.until)
		r.message(e.message)
	}
	s.top = top
}

func (l *memLog) saveReaders(r *record) {
	were, saved := l.saved.readers, 0
	for _, o := range l.readers {
		if o.saved != nil {
			saved++
		}
		o.away = len(o.links) == 0
		if o.saved == nil || *o.saved != o.readerState {
			o.save(r)
		}
	}
	l.saved.readers = len(l.readers)
	if saved == were {
		return
	}
	r.byte(partReaders)
	r.uint(uint64(len(l.readers)))
	for _, o := range l.readers {
		r.text(o.name)
	}
}

func (o *memReader) save(r *record) {
	if o.saved == nil {
		o.saved = new(readerState)
	}
	*o.saved = o.readerState
	r.byte(partReader)
	r.text(o.name)
	r.flags(o.plain, o.here, o.away)
	r.uint(o.acked)
	r.uint(o.sent)
	r.uint(o.told)
	r.lost(o.missed)
	r.uint(o.spoken)
	r.uint(o.left)
	r.int(o.leftAt)
	r.int(o.took)
}

func (l *memLog) saveWriters(r *record) {
	were, saved := l.saved.writers, 0
	for i := range l.writers {
		w := &l.writers[i]
		if w.saved.known {
			saved++
		}
		if now := (savedWriter{true, w.last, max(w.busy, w.again)}); w.saved != now {
			w.saved = now
			r.byte(partWriter)
			r.text(w.name)
			r.uint(now.last)
			r.uint(now.busy)
		}
	}
	l.saved.writers = len(l.writers)
	if saved == were {
		return
	}
	r.byte(partWriters)
	r.uint(uint64(len(l.writers)))
	for i := range l.writers {
		r.text(l.writers[i].name)
	}
}

// saveRest saves what seldom changes.
func (l *memLog) saveRest(r *record) {
	isPlain := l.past == nil && len(l.undelivered) == 0
	if isPlain && l.saved.isPlain && l.saved.bounds == l.bounds {
		return
	}
	l.saved.isPlain, l.saved.bounds = isPlain, l.bounds
	var rest record
	rest.text(l.handle.as.id)
	rest.uint(l.handle.as.moves)
	rest.bounds(l.bounds)

	rest.flags(l.past != nil)
	if p := l.past; p != nil {
		rest.text(p.id)
		rest.int(p.until)
		rest.uint(uint64(len(p.epochs)))
		for _, e := range p.epochs {
			rest.fixed(e)
		}
	}
	rest.uint(uint64(len(l.undelivered)))
	for i := range l.undelivered {
		u := &l.undelivered[i]
		rest.text(u.Reader)
		rest.flags(u.Plain)
		rest.lost(u.Lost)
		rest.int(u.from)
		rest.uint(u.has)
		rest.lost(u.missed)
	}
	if string(rest) != l.saved.rest {
		l.saved.rest = string(rest)
		r.byte(partRest)
		*r = append(*r, rest...)
	}
}

func (r *record) bounds(b *store.Bounds) {
	r.int(int64(b.MaxMessages))
	r.int(b.MaxBytes)
	r.byte(byte(b.Overflow))
	r.int(int64(b.Retention))
	r.int(int64(b.MaxLinks))
	r.int(int64(b.Quiet))
	r.int(int64(b.MaxReaders))
	r.int(int64(b.MaxWriters))
	r.int(int64(b.Stall))
}

// saveTopics saves the memberships that outlive a link.
func (l *memLog) saveTopics(r *record) {
	ms := l.topics
	if ms == nil || !ms.changed && l.saved.topics {
		return
	}
	ms.changed, l.saved.topics = false, true
	lasting := slices.DeleteFunc(slices.Clone(ms.rows), func(m *membership) bool { return m.Link.Number != 0 })
	r.byte(partTopics)
	r.uint(ms.version)
	r.uint(ms.asked)
	r.uint(ms.infos)
	r.uint(ms.removed)
	r.uint(uint64(len(lasting)))
	for _, m := range lasting {
		m.save(r)
	}
}

func (m *membership) save(r *record) {
	r.text(m.Topic)
	r.text(m.Link.Reader)
	r.topicPosition(m.At)
	r.byte(byte(m.Begin))
	r.optional(m.Info)
	r.uint(m.Removals)
	r.int(int64(m.Max))
	r.topicPosition(m.acked)
	r.uint(m.began)
	r.uint(m.asked)
	r.uint(m.info)
	r.topicPosition(m.later.at)
	r.byte(byte(m.later.begin))
	r.uint(uint64(len(m.acks)))
	for _, a := range m.acks {
		r.text(a.reader)
		r.topicPosition(a.at)
	}
}
