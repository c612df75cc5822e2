package memory

import "fmt"

// Leftovers describes what a Store without sessions still holds of them; "" if nothing.
func (s *Store) Leftovers() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	if used, logs, idle := s.used.Load(), len(s.logs), s.idle.Len(); used != 0 || logs != 0 || idle != 0 {
		return fmt.Sprintf("%d bytes of the budget, %d logs, %d in the line of idle ones", used, logs, idle)
	}
	return ""
}
