package memory

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mirage-go/mirage/internal/topiclog"
)

// shadow is a journal in memory. After each step it compares the store with one that was
// made of the records.
type shadow struct {
	testing.TB
	live *Store

	mu      sync.Mutex
	records [][]byte
	applied int
	copy    *loader
	commits int
	failed  bool
}

func (s *shadow) Append(record []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, slices.Clone(record))
	return uint64(len(s.records)), nil
}

func (s *shadow) Full() bool      { return false }
func (s *shadow) Current() uint32 { return 1 }

// Commit compares after each step at first, and then after some.
func (s *shadow) Commit(mark uint64) error {
	if mark < 20 || mark < 1000 && mark%13 == 0 || mark%199 == 0 {
		s.check()
	}
	return nil
}

// check compares the store with its copy.
func (s *shadow) check() {
	live := s.live
	live.mu.Lock()
	defer live.mu.Unlock()
	for _, l := range live.logs {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dropExpired()
	}
	live.topics.mu.Lock()
	defer live.topics.mu.Unlock()
	for _, t := range live.topics.named {
		t.mu.Lock()
		defer t.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return
	}

	if s.commits++; s.commits%500 == 0 { // as another process would
		s.copy, s.applied = nil, 0
	}
	if s.copy == nil {
		s.copy = Load(Options{Budget: -1}).o
	}
	for _, r := range s.records[s.applied:] {
		if err := s.copy.apply(r); err != nil {
			s.failed = true
			s.Errorf("a record: %v: %x", err, r)
			return
		}
	}
	s.applied = len(s.records)
	s.copy.s.start, s.copy.s.clock.start = live.start, live.clock.start
	s.copy.s.clock.last.Store(live.clock.last.Load())
	s.copy.s.ids.countWays(live.clock.read())
	for _, l := range s.copy.logs {
		l.dropExpired()
	}

	want := dump(live, slices.Collect(maps.Values(live.logs)))
	got := dump(s.copy.s, slices.Collect(maps.Values(s.copy.logs)))
	if want != got {
		s.failed = true
		a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
		only := func(a, b []string) string {
			isInB := func(l string) bool { return slices.Contains(b, l) }
			return strings.Join(slices.DeleteFunc(slices.Clone(a), isInB), "\n")
		}
		s.Errorf("the store has\n%s\nwhere what was saved has\n%s\nafter the record %x",
			only(a, b), only(b, a), s.records[len(s.records)-1])
	}
}

// dump describes everything that outlives a process.
func dump(s *Store, logs []*memLog) string {
	var all []string
	for _, l := range logs {
		all = append(all, dumpLog(l, s.journal != nil))
	}
	now, led := s.clock.read(), make(map[string]bool) // whereto ways lead that have not expired
	for _, st := range s.ids.states {
		led[st.to] = led[st.to] || st.leadsUntil > now && s.ids.leads(st)
	}
	for id, st := range s.ids.states {
		if !led[id] && max(st.revokedUntil, st.settledAt+int64(fenceKept), st.leadsUntil) <= now {
			continue // tidy drops it, or may have dropped it
		}
		text := fmt.Sprintf("id %s %d %d %d %d", id, st.revokedAt, st.revokedUntil, st.settledAt, st.ways)
		if st.leadsUntil > now {
			text += fmt.Sprintf(" to %s %s %d %d", st.to, st.client, st.leadsUntil, st.ledBy)
		}
		all = append(all, text)
	}
	for name, t := range s.topics.named {
		for _, l := range []*topiclog.Log{t.log, t.ended} {
			if l == nil {
				continue
			}
			l.Expire(s.now())
			saved := l.Save()
			var text strings.Builder
			fmt.Fprintf(&text, "topic %s %d ended=%v top %d base %d",
				name, saved.Epoch, l == t.ended, saved.Top, saved.Base)
			for _, m := range saved.Messages {
				fmt.Fprintf(&text, "\n\t%d %d %d %+v %+v", m.Seq, m.At, m.Until, *m.Message, m.Growth)
			}
			all = append(all, text.String())
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func dumpLog(l *memLog, isLive bool) string {
	var b strings.Builder
	as := l.handle.as
	fmt.Fprintf(&b, "log %x id %s moves %d numbers %+v top %d loss %+v\n",
		l.epoch, as.id, as.moves, l.logState, l.top(), l.loss)
	if idle := l.idleUntil(); idle != 0 {
		fmt.Fprintf(&b, "\tidle %d\n", idle)
	} else if l.saved.idle != 0 {
		fmt.Fprintf(&b, "\tidle %d\n", l.saved.idle)
	}
	if l.past != nil {
		fmt.Fprintf(&b, "\tpast %s %d %x\n", l.past.id, l.past.until, l.past.epochs)
	}
	for i := range l.entries.n {
		e := l.entries.at(i)
		if e.message == nil {
			continue
		}
		var t lifetime
		if l.sparse != nil {
			t = l.sparse.places.at(i).lifetime
		}
		fmt.Fprintf(&b, "\tentry %d at %d for %q %+v %+v\n", l.seqAt(i), e.at, l.only[l.seqAt(i)], t, *e.message)
	}
	fmt.Fprintf(&b, "\tbytes %d only %d\n", l.bytes, len(l.only))
	for _, r := range l.readers {
		is := r.readerState
		if isLive {
			is.away = len(r.links) == 0
		}
		fmt.Fprintf(&b, "\treader %s %+v\n", r.name, is)
	}
	var writers []string // in any order: which of them is forgotten first does not outlive a process
	for _, w := range l.writers {
		writers = append(writers, fmt.Sprintf("\twriter %s %d %d\n", w.name, w.last, max(w.busy, w.again)))
	}
	slices.Sort(writers)
	b.WriteString(strings.Join(writers, ""))
	for _, u := range l.undelivered {
		fmt.Fprintf(&b, "\tundelivered %+v\n", u)
	}
	if l.topics != nil {
		ms := l.topics
		fmt.Fprintf(&b, "\ttopics %d %d %d %d\n", ms.version, ms.asked, ms.infos, ms.removed)
		for _, m := range ms.rows {
			if m.Link.Number == 0 {
				is := *m
				is.Again = false
				fmt.Fprintf(&b, "\t\t%+v\n", is)
			}
		}
	}
	return b.String()
}

// SkipUnderRace skips a test that takes ten times as long with the race detector.
func SkipUnderRace(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes it ten times as slow")
	}
}

// NewShadowed returns a store that compares itself with what it has saved, after each
// step.
func NewShadowed(t testing.TB) *Journaled {
	s := &shadow{TB: t}
	j := Load(Options{}).Start(s, Resume{})
	s.live = j.Store
	return j
}

// Epochs returns n epochs of new sessions.
func (s *Store) Epochs(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = s.newEpoch()
	}
	return all
}
