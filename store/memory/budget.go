package memory

// What a session's readers, links and writers count against the budget, names included.
// The first of each is in sessionCost.
const (
	readerCost = 320
	linkCost   = 64
	writerCost = 128
)

// account takes from the budget what the readers, links and writers cost now, beyond the
// first of each, or gives back what they do not any more.
func (l *memLog) account() {
	cost := len(l.readers)*readerCost + int(l.links)*linkCost + len(l.writers)*writerCost
	now := int32(max(0, cost-readerCost-linkCost-writerCost))
	if now != l.members {
		l.store.used.Add(int64(now - l.members))
		l.members = now
	}
}

// admits reports whether the budget has room for one more reader. Where new sessions are
// refused, tabs of those that exist are not; the last eighth is for messages. Links of
// readers that are here, and writers, always have room: their number is bounded.
func (l *memLog) admits() bool {
	return len(l.readers) == 0 || l.store.has(l.store.budget/8+readerCost)
}

// warnOfIDs says once, and in time, that the memory for revocations comes to an end.
func (s *Store) warnOfIDs() {
	bytes := s.ids.bytes.Load()
	if s.budget < 0 || bytes < s.budget/4 {
		return
	}
	s.warned.Do(func() {
		s.log.Warn("memory: ids that were revoked or moved take a quarter of the budget; "+
			"at half of it, Revoke, Rotate and Move will fail: "+
			"raise Options.Budget, or lower session.Options.Remember", "bytes", bytes)
	})
}
