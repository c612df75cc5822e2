package memory

import (
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// loadTopic takes over a section of a topic. As with logs, changes of one whose beginning
// is not there count for nothing.
func (o *loader) loadTopic(s *scan) {
	name := s.text()
	t := o.s.topics.named[name]
	switch s.byte() {
	case topicBegan:
		b, epoch := s.topicBounds(), uint32(s.uint())
		if s.err == nil {
			t = o.topic(name, b)
			t.log = topiclog.New(t.hash, epoch, b)
		}
	case topicPublished:
		o.loadPublished(s, t)
	case topicEnded:
		if t != nil && t.log != nil {
			t.ended, t.log = t.log, nil
		}
	case topicForgotten:
		delete(o.s.topics.named, name)
	case topicWhole:
		b := s.topicBounds()
		logs := [2]*topiclog.Log{}
		for i := range logs {
			if s.byte() != 0 {
				logs[i] = s.topicLog(store.TopicHash(name), b)
			}
		}
		if s.err == nil {
			t = o.topic(name, b)
			t.log, t.ended = logs[0], logs[1]
		}
	default:
		s.fail()
	}
}

// topic returns the topic of that name, which is made if there is none.
func (o *loader) topic(name string, b store.TopicBounds) *memTopic {
	ts := &o.s.topics
	if ts.named == nil {
		ts.named = make(map[string]*memTopic)
	}
	t := ts.named[name]
	if t == nil {
		t = &memTopic{s: o.s, name: name, hash: store.TopicHash(name), recovered: true}
		ts.named[name] = t
	}
	t.bounds = b
	return t
}

func (o *loader) loadPublished(s *scan, t *memTopic) {
	epoch, at, messages, flags := uint32(s.uint()), s.int(), int(s.uint()), s.byte()
	p := store.Publication{Grows: flags&1 != 0, Continues: flags&2 != 0, Done: flags&4 != 0, Message: s.message()}
	if s.err != nil || t == nil || t.log == nil || t.log.Epoch() != epoch {
		return
	}
	if t.log.Append(p, at, func(int64) bool { return true }) != nil {
		s.fail()
		return
	}
	t.log.EvictTo(messages)
}

func (s *scan) topicBounds() store.TopicBounds {
	return store.TopicBounds{
		MaxMessages: int(s.int()), MaxBytes: s.int(), MaxGrown: int(s.int()), Age: s.duration(),
	}
}

func (s *scan) duration() time.Duration { return time.Duration(s.int()) }

func (s *scan) topicLog(name uint32, b store.TopicBounds) *topiclog.Log {
	saved := &topiclog.Saved{Name: name, Epoch: uint32(s.uint()), Top: s.uint(), Base: s.uint()}
	for range s.count() {
		m := topiclog.SavedMessage{Seq: s.uint(), At: s.int(), Until: s.int(), Message: s.message()}
		if s.byte() != 0 {
			g := &topiclog.SavedGrowth{First: s.uint(), Text: s.bytes(), Sealed: s.byte() != 0}
			for range s.count() {
				g.Ends = append(g.Ends, topiclog.SavedPiece{Seq: s.uint(), End: int(s.uint())})
			}
			m.Growth = g
		}
		saved.Messages = append(saved.Messages, m)
	}
	if s.err != nil {
		return nil
	}
	return topiclog.Restore(saved, b)
}
