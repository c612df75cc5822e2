package session

// What a session's readers, links and writers count against the budget, beside their names. The
// first of each is in sessionCost.
const (
	readerCost = 352 // with one link
	linkCost   = 64
	writerCost = 64
)

// memberCost is what its readers, links and writers cost beyond sessionCost.
func (l *memLog) memberCost() (cost int64) {
	for _, r := range l.readers {
		cost += readerCost + int64(len(r.name)) + linkCost*int64(max(0, len(r.links)-1))
	}
	for i := range l.writers {
		cost += writerCost + int64(len(l.writers[i].name))
	}
	return max(0, cost-sessionCost/2)
}

// account takes from the budget what the members cost now, or gives back what they do not any more.
func (l *memLog) account() {
	cost := l.memberCost()
	l.store.used.Add(cost - l.members)
	l.members = cost
}

// admits reports whether the budget has room for one more reader of that name. Like new sessions,
// readers leave its last quarter to messages; links of readers that are here, and writers, are
// bounded by session and always have room.
func (l *memLog) admits(name string) bool {
	return len(l.readers) == 0 || l.store.has(l.store.budget/4+readerCost+int64(len(name)))
}
