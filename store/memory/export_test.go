package memory

import "fmt"

// Leftovers describes what a Store without sessions still holds of them; "" if nothing.
// Topics, as long as nobody is present in them, may still be remembered.
func (s *Store) Leftovers() string {
	topics := s.topicsHold()
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	if used, logs, idle := s.used.Load()-topics, len(s.logs), s.idle.Len(); used != 0 || logs != 0 || idle != 0 {
		return fmt.Sprintf("%d bytes of the budget, %d logs, %d in the line of idle ones", used, logs, idle)
	}
	return ""
}

// topicsHold returns what the topics and their messages count against the budget.
func (s *Store) topicsHold() (n int64) {
	s.topics.mu.RLock()
	defer s.topics.mu.RUnlock()
	for _, t := range s.topics.named {
		t.mu.Lock()
		n += topicCost
		if t.log != nil {
			n += t.log.Bytes()
		}
		if t.ended != nil {
			n += t.ended.Bytes()
		}
		t.mu.Unlock()
	}
	return n
}
