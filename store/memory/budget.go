package memory

// readerCost, linkCost and writerCost are what a session's readers, links and writers
// count against the budget, in bytes and with their names. sessionCost includes the first
// of each.
const (
	readerCost = 320
	linkCost   = 64
	writerCost = 128
)

// sparseCost is what messages with Key or TTL cost a session, in bytes, beside
// themselves.
const sparseCost = 448

// account adjusts the budget to what the readers, links and writers cost now, beyond the
// first of each, and to whether there were messages with Key or TTL.
func (l *memLog) account() {
	cost := len(l.readers)*readerCost + int(l.links)*linkCost + len(l.writers)*writerCost
	now := int32(max(0, cost-readerCost-linkCost-writerCost))
	if l.sparse != nil {
		now += sparseCost
	}
	if now != l.members {
		l.store.used.Add(int64(now - l.members))
		l.members = now
	}
}

// admits reports whether the budget has room for one more reader. The last eighth of the
// budget is for messages, so that tabs of existing sessions are still admitted when new
// sessions are refused. Links of readers that are here, and writers, are always admitted:
// their number is bounded.
func (l *memLog) admits() bool {
	return !l.store.isFull() && (len(l.readers) == 0 || l.store.has(l.store.budget/8+readerCost))
}

// warnOfIDs logs once, and in time, that the memory for revocations runs out.
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
