package memory

import (
	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// What a step does to a topic. A section of a topic has its name, one of these, and what
// belongs to it.
const (
	topicBegan     byte = 1 + iota // an epoch
	topicPublished                 // a message, or a piece of one
	topicEnded                     // the epoch
	topicForgotten                 // the topic
	topicWhole                     // everything: what was saved before does not count
)

// note begins a section of the step, or returns nil if there is no journal.
func (t *memTopic) note(what byte) *record {
	j := t.s.journal
	if j == nil {
		return nil
	}
	if t.unsaved == nil {
		t.unsaved = j.begin()
	}
	r := t.unsaved
	r.byte(sectionTopic)
	r.text(t.name)
	r.byte(what)
	return r
}

// unlock saves what the step has changed, and unlocks the topic.
func (t *memTopic) unlock() { t.s.commit(t.release()) }

// release is unlock for a step that holds another lock. The caller commits the mark when
// it has released that, too.
func (t *memTopic) release() (mark uint64) {
	if r := t.unsaved; r != nil {
		t.unsaved = nil
		mark = t.s.journal.append(r)
	}
	t.mu.Unlock()
	return mark
}

func (t *memTopic) noteBegan() {
	r := t.note(topicBegan)
	if r == nil {
		return
	}
	if t.base == 0 {
		t.base = t.s.journal.Current()
	}
	r.topicBounds(&t.bounds)
	r.uint(uint64(t.log.Epoch()))
}

func (t *memTopic) notePublished(p *store.Publication) {
	r := t.note(topicPublished)
	if r == nil {
		return
	}
	r.uint(uint64(t.log.Epoch()))
	r.int(t.used)
	r.uint(uint64(t.log.Messages()))
	r.flags(p.Grows, p.Continues, p.Done)
	r.message(p.Message)
}

func (t *memTopic) noteEnded()     { t.note(topicEnded) }
func (t *memTopic) noteForgotten() { t.note(topicForgotten) }

// saveWhole appends everything of the topic to the step's record.
func (t *memTopic) saveWhole() {
	if t.log == nil && t.ended == nil || t.forgotten {
		return
	}
	r := t.note(topicWhole)
	t.base = t.s.journal.Current()
	r.topicBounds(&t.bounds)
	for _, l := range []*topiclog.Log{t.log, t.ended} {
		r.flags(l != nil)
		if l != nil {
			r.topicLog(l.Save())
		}
	}
}

func (r *record) topicBounds(b *store.TopicBounds) {
	r.int(int64(b.MaxMessages))
	r.int(b.MaxBytes)
	r.int(int64(b.MaxGrown))
	r.int(int64(b.Age))
}

func (r *record) topicLog(s *topiclog.Saved) {
	r.uint(uint64(s.Epoch))
	r.uint(s.Top)
	r.uint(s.Base)
	r.uint(uint64(len(s.Messages)))
	for i := range s.Messages {
		m := &s.Messages[i]
		r.uint(m.Seq)
		r.int(m.At)
		r.int(m.Until)
		r.message(m.Message)
		r.flags(m.Growth != nil)
		if g := m.Growth; g != nil {
			r.uint(g.First)
			r.bytes(g.Text)
			r.flags(g.Sealed)
			r.uint(uint64(len(g.Ends)))
			for _, e := range g.Ends {
				r.uint(e.Seq)
				r.uint(uint64(e.End))
			}
		}
	}
}
