package redis

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// attempt is an append as its caller knows it. One whose outcome was unknown, made again
// with the very same Message, is the same append: it goes out under its old tag, by which
// the script finds what the first attempt may have done.
type attempt struct {
	log, reader string
	message     *store.Message
}

type unknown struct {
	entry string
	tag   uint32
	at    time.Time
}

// An append is remembered for as long as its trace in Redis is sure to be there, and so
// many of them at most.
const (
	uncertainFor = 10 * time.Second
	uncertainMax = 1024
)

func (s *Store) remember(a attempt, u unknown) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, o := range s.uncertain {
		if time.Since(o.at) > uncertainFor {
			delete(s.uncertain, old)
		}
	}
	if len(s.uncertain) < uncertainMax {
		s.uncertain[a] = u
	}
}

func (s *Store) recall(a attempt) (unknown, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.uncertain[a]
	delete(s.uncertain, a)
	return u, ok
}
