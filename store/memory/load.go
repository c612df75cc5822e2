package memory

import (
	"slices"

	"github.com/mirage-go/mirage/store"
)

// A loader makes a Store of the records of an earlier process.
type loader struct {
	s    *Store
	logs map[uint64]*memLog // by epoch
	time savedTime
}

func newLoader(s *Store) *loader { return &loader{s: s, logs: make(map[uint64]*memLog)} }

// apply takes over a record.
func (o *loader) apply(b []byte) error {
	s := &scan{left: b}
	for len(s.left) > 0 {
		switch s.byte() {
		case sectionLog:
			o.loadLog(s)
		case sectionID:
			o.s.ids.loadID(s)
		case sectionRevoked:
			o.s.over.load(s)
		case sectionClock:
			o.time.load(s)
		case sectionTopic:
			o.loadTopic(s)
		default:
			s.fail()
		}
	}
	return s.err
}

// loadLog takes over a section of a log. Changes of a log whose beginning is not there
// count for nothing: it was rewritten later, or has ended.
func (o *loader) loadLog(s *scan) {
	epoch := s.fixed()
	l := o.logs[epoch]
	for s.err == nil {
		part := s.byte()
		switch part {
		case partEnd:
			return
		case partWhole:
			l = &memLog{store: o.s, epoch: epoch, logState: logState{floor: 1}, saved: &savedLog{recovered: true}}
			o.logs[epoch] = l
			continue
		case partGone:
			delete(o.logs, epoch)
			l = nil
			continue
		}
		if l == nil { // it is read, and dropped
			l = &memLog{store: o.s, gone: store.ErrNotFound, saved: new(savedLog)}
		}
		l.loadPart(part, s)
	}
}

func (l *memLog) loadPart(part byte, s *scan) {
	switch part {
	case partRest:
		l.loadRest(s)
	case partNumbers:
		l.loadNumbers(s)
	case partLoss:
		l.loss = loss{to: s.uint(), why: lossCause(s.byte())}
	case partEntry:
		l.loadEntry(s)
	case partReader:
		l.loadReader(s)
	case partReaders:
		readers := l.readers
		l.readers = nil
		for _, name := range s.names() {
			if i := slices.IndexFunc(readers, func(r *memReader) bool { return r.name == name }); i >= 0 {
				l.readers = append(l.readers, readers[i])
			}
		}
	case partWriter:
		w := memWriter{name: s.text(), last: s.uint(), again: s.uint()}
		l.writers = slices.DeleteFunc(l.writers, func(o memWriter) bool { return o.name == w.name })
		l.writers = append(l.writers, w)
	case partWriters:
		names := s.names()
		l.writers = slices.DeleteFunc(l.writers, func(w memWriter) bool { return !slices.Contains(names, w.name) })
	case partTopics:
		l.loadTopics(s)
	default:
		s.fail()
	}
}

func (s *scan) names() (all []string) {
	for range s.count() {
		all = append(all, s.text())
	}
	return all
}

func (l *memLog) loadRest(s *scan) {
	id, moves := s.text(), s.uint()
	l.own = memHandle{l, &openedAs{id: id, moves: moves}}
	l.handle = &l.own
	l.bounds = s.bounds()

	l.past, l.undelivered = nil, nil
	if s.byte() != 0 {
		l.past = &past{id: s.text(), until: s.int()}
		for range s.count() {
			l.past.epochs = append(l.past.epochs, s.fixed())
		}
	}
	for range s.count() {
		u := undelivered{Undelivered: store.Undelivered{Reader: s.text(), Plain: s.byte() != 0, Lost: s.lost()}}
		u.from, u.has, u.missed = s.int(), s.uint(), s.lost()
		l.undelivered = append(l.undelivered, u)
	}
}

func (s *scan) bounds() *store.Bounds {
	return &store.Bounds{
		MaxMessages: int(s.int()), MaxBytes: s.int(), Overflow: store.Overflow(s.byte()),
		Retention: s.duration(), MaxLinks: int(s.int()), Quiet: s.duration(),
		MaxReaders: int(s.int()), MaxWriters: int(s.int()), Stall: s.duration(),
	}
}

// loadNumbers takes over the numbers, and lets the entries leave that left then.
func (l *memLog) loadNumbers(s *scan) {
	isSparse := s.byte() != 0
	is := logState{floor: s.uint()}
	top := s.uint()
	is.mark, is.sent, is.bar, is.since = s.uint(), s.uint(), s.int(), s.int()
	is.first, is.number, is.renewed, is.departs = s.uint(), s.uint(), s.uint(), s.uint()
	l.saved.idle = s.int()
	if s.err != nil || l.gone != nil {
		return
	}

	if isSparse && l.sparse == nil {
		l.makeSparse()
	}
	only := l.only
	l.only = nil // what left is saved with the readers: it does not count again
	l.bytes -= l.popTo(is.floor)
	for seq := range only {
		if seq < is.floor {
			delete(only, seq)
		}
	}
	l.only = only
	l.logState = is
	if isSparse {
		l.sparse.top = top
	}
}

// popTo removes the slots of entries below floor, and returns their bytes.
func (l *memLog) popTo(floor uint64) (freed int64) {
	for l.entries.n > 0 && l.seqAt(0) < floor {
		if l.sparse != nil {
			freed += l.pop()
			continue
		}
		freed += int64(l.entries.pop().size)
		l.floor++
	}
	return freed
}

// loadEntry adds an entry. The one that it supersedes leaves.
func (l *memLog) loadEntry(s *scan) {
	seq, at, reader := s.uint(), uint32(s.uint()), s.text()
	t := lifetime{s.int(), s.int()}
	m := s.message()
	if s.err != nil || l.gone != nil {
		return
	}
	if l.sparse == nil && seq != l.floor+uint64(l.entries.n) || l.sparse != nil && seq < l.floor {
		s.fail()
		return
	}

	if l.sparse != nil {
		if m.Key != "" {
			if i := l.older(m, reader); i >= 0 {
				l.loadDrop(i)
			}
		}
		top := l.sparse.top
		l.sparse.top = seq - 1
		l.sparse.record(m, reader, t)
		l.sparse.top = max(top, seq)
	}
	size := uint32(m.Size())
	l.entries.push(slot{m, at, size})
	l.bytes += int64(size)
	if reader != "" {
		if l.only == nil {
			l.only = make(map[uint64]string)
		}
		l.only[seq] = reader
	}
}

// loadDrop is drop, without what it means for readers: that is saved with them.
func (l *memLog) loadDrop(i int) {
	undelivered := l.undelivered
	l.undelivered = nil
	l.drop(i)
	l.undelivered = undelivered
}

func (l *memLog) loadReader(s *scan) {
	name := s.text()
	flags := s.byte()
	is := readerState{
		plain: flags&1 != 0, here: flags&2 != 0, away: flags&4 != 0,
		acked: s.uint(), sent: s.uint(), told: s.uint(), missed: s.lost(),
		spoken: s.uint(), left: s.uint(), leftAt: s.int(), took: s.int(),
	}
	if s.err != nil {
		return
	}
	r := l.reader(name)
	if r == nil {
		r = &memReader{name: name}
		r.links = r.room[:0]
		l.readers = append(l.readers, r)
	}
	r.readerState = is
}

func (l *memLog) loadTopics(s *scan) {
	ms := &memberships{version: s.uint(), asked: s.uint(), infos: s.uint(), removed: s.uint()}
	for range s.count() {
		ms.rows = append(ms.rows, s.membership())
	}
	l.topics = ms
}

func (s *scan) membership() *membership {
	m := &membership{TopicJoin: store.TopicJoin{
		Topic: s.text(), Link: store.LinkRef{Reader: s.text()}, At: s.topicPosition(), Begin: store.Begin(s.byte()),
		Info: s.optional(), Removals: s.uint(), Max: int(s.int()),
	}}
	m.hash = store.TopicHash(m.Topic)
	m.acked, m.began, m.asked, m.info = s.topicPosition(), s.uint(), s.uint(), s.uint()
	m.later = topicPlace{s.topicPosition(), store.Begin(s.byte())}
	for range s.count() {
		m.acks = append(m.acks, readerAck{s.text(), s.topicPosition()})
	}
	return m
}
