package redis

import (
	"time"

	"github.com/mirage-go/mirage/store"
)

// attempt identifies an append to its caller. If the outcome of an append was unknown,
// and the caller makes it again with the same *Message, it is the same append. It is sent
// with its old tag, by which the script finds what the first attempt has done.
type attempt struct {
	log, reader string
	message     *store.Message
}

type unknown struct {
	entry string
	tag   uint32
	at    time.Time
}

// An append is remembered only as long as its trace in Redis is sure to exist. At most
// uncertainMax are remembered.
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
