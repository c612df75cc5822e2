package inspect

import (
	"container/list"
	"sync"
)

// shards is the number of locks that sessions share.
const shards = 16

// A shard has the tracks and the counts of some of the sessions.
type shard struct {
	mu     sync.Mutex
	counts counts
	byID   map[string]*list.Element // of recent, whose values are *track
	recent list.List                // the session that had an event last is in front
}

func (s *shard) init() {
	s.byID = make(map[string]*list.Element)
	s.counts.words = make(map[word]uint64)
}

// track returns the track of a session, which is made if there is none. The shard is
// locked.
func (s *shard) track(id string, most int) *track {
	if el := s.byID[id]; el != nil {
		s.recent.MoveToFront(el)
		return el.Value.(*track)
	}
	t := &track{id: id}
	s.put(id, t, most)
	return t
}

// put adds a track in the place of one that has the id already. The shard is locked.
func (s *shard) put(id string, t *track, most int) {
	s.take(id)
	t.id = id
	s.byID[id] = s.recent.PushFront(t)
	if s.recent.Len() > most {
		delete(s.byID, s.recent.Remove(s.recent.Back()).(*track).id)
	}
}

// take removes the track of a session and returns it, or nil if there is none. The shard
// is locked.
func (s *shard) take(id string) *track {
	el := s.byID[id]
	if el == nil {
		return nil
	}
	delete(s.byID, id)
	return s.recent.Remove(el).(*track)
}
