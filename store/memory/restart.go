package memory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A Journaled is a Store that saves what its steps change in a journal. It is made for
// package disk, which says what it promises: other programs use that package.
type Journaled struct{ *Store }

// A Loading is a Store before it has all records of an earlier process. It is made for
// package disk.
type Loading struct{ o *loader }

// Load returns a Store that takes over the records of an earlier process: first Apply,
// with all of them, then Start. It is made for package disk.
func Load(o Options) *Loading {
	s := New(o)
	s.ids.journaled, s.over.journaled = true, true
	return &Loading{newLoader(s)}
}

// Apply takes over the next record. The error means that this version has not written it.
func (l *Loading) Apply(record []byte) error { return l.o.apply(record) }

// A Resume says how a Store goes on after an earlier process.
type Resume struct {
	Found bool // there was one
	// Continues says that no answered step is missing. Otherwise all epochs are new.
	Continues bool
	// Away is how much time passes for the store between its last record and now.
	Away time.Duration
	// Oldest is the number of the journal's oldest segment.
	Oldest uint32
}

// Start returns the Store, which saves its steps in j from now on.
func (l *Loading) Start(j recorder, r Resume) *Journaled {
	s := l.o.s
	s.journal = &journaling{recorder: j}
	if r.Found {
		l.o.resume(r)
	}
	rec := s.journal.begin()
	s.saveTime(rec)
	s.journal.append(rec)
	if r.Found && !r.Continues {
		l.o.renew()
	}
	return &Journaled{s}
}

// resume lets the store go on where the earlier process was, but without links.
func (o *loader) resume(r Resume) {
	s := o.s
	s.start = time.Now().Add(-time.Duration(o.time.now) - r.Away)
	s.clock = memClock{start: time.Now()}
	s.clock.last.Store(max(o.time.stamp, s.ids.lastStamp()))
	if r.Continues && o.time.boot != 0 {
		s.boot = o.time.boot
		s.epochs.Store(o.time.epochs + moreEpochs)
	}
	s.ids.countWays(s.clock.read())
	s.journal.idsBase = r.Oldest

	shared := make(map[store.Bounds]*store.Bounds)
	for epoch, l := range o.logs {
		if l.handle == nil {
			delete(o.logs, epoch)
			continue
		}
		if b := shared[*l.bounds]; b != nil {
			l.bounds = b
		} else {
			shared[*l.bounds] = l.bounds
		}
		l.revive(r.Oldest)
		s.logs[l.handle.as.id] = l
	}
	if len(s.abandoned) > 0 {
		s.reportAt.Store(s.now() + int64(reportAfter))
	}
	s.restIdle()
	for _, t := range s.topics.named {
		t.revive(r.Oldest)
	}
	s.topics.lineUp()
}

// moreEpochs is more than were given out since the time was saved, about a second before
// the earlier process ended.
const moreEpochs = 1 << 20

// reportAfter is how long the readers of an earlier process have time to come back before
// they count as gone.
const reportAfter = 10 * time.Second

// revive takes over a log of an earlier process. Its links have ended.
func (l *memLog) revive(oldest uint32) {
	s := l.store
	l.saved.began, l.saved.base = true, oldest
	l.markSaved()

	s.used.Add(sessionCost + l.bytes)
	l.account()
	if l.topics != nil {
		for _, row := range l.topics.rows {
			s.used.Add(row.cost())
		}
	}

	for _, r := range l.readers {
		if r.here {
			s.abandoned = append(s.abandoned, store.Left{ID: l.handle.as.id, Reader: r.name, Plain: r.plain})
			r.here = false
		}
		if !r.away {
			l.departs++
			r.left, r.leftAt, r.away = l.departs, s.now(), true
		}
	}
}

// stillAway returns the readers that were here in an earlier process and have not come
// back, once they had time for that. Until then, wait is how long they still have.
func (s *Store) stillAway() (left []store.Left, wait time.Duration) {
	at := s.reportAt.Load()
	if at == 0 {
		return nil, 0
	}
	if wait = time.Duration(at - s.now()); wait > 0 {
		return nil, wait
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.reportAt.Store(0)
	for _, o := range s.abandoned {
		if l := s.logs[o.ID]; l == nil || !l.isHere(o.Reader) {
			left = append(left, o)
		}
	}
	s.abandoned = nil
	return left, 0
}

func (l *memLog) isHere(reader string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.reader(reader)
	return r != nil && r.here
}

// restIdle puts all logs in the queue of those without links.
func (s *Store) restIdle() {
	var all []*idleLog
	for _, l := range s.logs {
		until := l.saved.idle
		if until == 0 { // it had links
			until = s.now() + int64(l.bounds.Retention)
		}
		all = append(all, &idleLog{l, until})
	}
	slices.SortFunc(all, func(a, b *idleLog) int { return cmp.Compare(a.until, b.until) })
	for _, is := range all {
		is.log.resting = s.idle.PushBack(is)
	}
}

// revive takes over a topic of an earlier process. That it was loaded counts as use.
func (t *memTopic) revive(oldest uint32) {
	t.base, t.used = oldest, t.s.now()
	t.s.used.Add(topicCost)
	if t.log != nil {
		t.log.Expire(t.used)
		t.account(t.log)
	}
	t.expireEnded(t.used)
}

// lineUp puts all topics in the queue of tidyTopics.
func (ts *memTopics) lineUp() {
	for _, t := range ts.named {
		ts.add(t)
	}
}

// renew gives all logs and topics new epochs, and rewrites them: numbers may have been
// given to messages that the journal does not have.
func (o *loader) renew() {
	s := o.s
	for _, l := range s.logs {
		r := s.journal.begin()
		r.byte(sectionLog)
		r.fixed(l.epoch)
		r.byte(partGone)
		r.byte(partEnd)

		l.epoch = s.newEpoch()
		l.first = random() >> 12
		l.number, l.renewed = l.first, 0
		for _, o := range l.readers {
			o.spoken = 0
		}
		l.saveWhole(r)
		s.journal.append(r)
	}
	for _, t := range s.topics.named {
		before := uint32(0)
		t.mu.Lock()
		if t.log != nil {
			before = t.log.Epoch()
			t.log.SetEpoch(newTopicEpoch(before))
		}
		t.s.used.Add(-t.endedBytes)
		t.ended, t.endedBytes = nil, 0
		t.saveWhole()
		t.unlock()
	}
}

// Live returns about how many bytes it would take to rewrite everything.
func (s *Journaled) Live() int64 {
	n := s.journal.live.Load() + s.ids.bytes.Load()
	s.topics.mu.RLock()
	defer s.topics.mu.RUnlock()
	for _, t := range s.topics.named {
		t.mu.Lock()
		n += 128 + t.counted + t.endedBytes
		t.mu.Unlock()
	}
	return n
}

// ErrClosed means that the store is closed: the step could not be saved.
var ErrClosed = errors.New("store: closed")

// Close refuses new sessions, moves and ends from now on. Those that have begun are saved
// when it returns.
func (s *Journaled) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal.closed = true
}

// refused returns ErrClosed if nothing is saved any more. The caller holds the store's
// lock.
func (s *Store) refused() error {
	if s.journal != nil && s.journal.closed {
		return ErrClosed
	}
	return nil
}

// Tick saves the time. It is called at least once a second.
func (s *Journaled) Tick() {
	r := s.journal.begin()
	s.saveTime(r)
	s.journal.append(r)
}

// Rewrite saves everything again that is needed of segments before that one. pause is
// called, without a lock, after each log, topic, and some of the ids. If pause returns
// false, Rewrite ends early and returns false.
func (s *Journaled) Rewrite(before uint32, pause func() bool) bool {
	for _, l := range s.all() {
		l.mu.Lock()
		if l.gone == nil && l.saved.base < before {
			r := s.journal.begin()
			l.saveWhole(r)
			s.journal.append(r)
		}
		l.mu.Unlock()
		if !pause() {
			return false
		}
	}
	for _, t := range s.allTopics() {
		t.mu.Lock()
		if t.base < before {
			t.saveWhole()
		}
		t.release() // nobody waits for an answer
		if !pause() {
			return false
		}
	}
	return s.rewriteIDs(before, pause)
}

func (s *Store) allTopics() (all []*memTopic) {
	s.topics.mu.RLock()
	defer s.topics.mu.RUnlock()
	for _, t := range s.topics.named {
		all = append(all, t)
	}
	return all
}

// rewriteIDs is Rewrite for the states of ids.
func (s *Store) rewriteIDs(before uint32, pause func() bool) bool {
	s.mu.Lock()
	base := s.journal.Current()
	if s.journal.idsBase >= before {
		s.mu.Unlock()
		return true
	}
	all := make([]*memID, 0, len(s.ids.states))
	for _, st := range s.ids.states {
		all = append(all, st)
	}
	r := s.journal.begin()
	s.over.saveWhole(r)
	s.journal.append(r)
	s.mu.Unlock()

	for some := range slices.Chunk(all, 256) {
		s.mu.Lock()
		for _, st := range some {
			s.ids.note(st)
		}
		s.saveStep()
		s.mu.Unlock()
		if !pause() {
			return false
		}
	}
	s.mu.Lock()
	s.journal.idsBase = base
	s.mu.Unlock()
	return true
}

// A savedTime is the store's time.
type savedTime struct {
	now    int64
	stamp  int64
	boot   uint32
	epochs uint64
}

func (s *Store) saveTime(r *record) {
	r.byte(sectionClock)
	r.byte(recordVersion)
	r.int(s.now())
	r.int(s.clock.last.Load())
	r.uint(uint64(s.boot))
	r.uint(s.epochs.Load())
}

// recordVersion changes with the form of the records.
const recordVersion = 1

func (t *savedTime) load(s *scan) {
	if v := s.byte(); s.err == nil && v != recordVersion {
		s.fail()
		s.err = fmt.Errorf("memory: the records have the form %d, and this program reads the form %d: "+
			"start the version of Mirage that wrote them, or use another directory", v, recordVersion)
		return
	}
	is := savedTime{s.int(), s.int(), uint32(s.uint()), s.uint()}
	if s.err == nil {
		*t = is
	}
}

// Counts are what a Loading has so far.
type Counts struct {
	Sessions, Messages int
	Topics, Published  int // messages of topics
	IDs                int // states of ids that were moved or revoked
}

// Counts counts what has been loaded.
func (l *Loading) Counts() Counts {
	s := l.o.s
	c := Counts{Sessions: len(l.o.logs), Topics: len(s.topics.named), IDs: len(s.ids.states)}
	for _, log := range l.o.logs {
		c.Messages += log.live()
	}
	for _, t := range s.topics.named {
		if t.log != nil {
			c.Published += t.log.Messages()
		}
		if t.ended != nil {
			c.Published += t.ended.Messages()
		}
	}
	return c
}
