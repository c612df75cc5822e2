package topiclog

// Retained returns how many messages are in memory, dead ones included.
func (l *Log) Retained() int { return len(l.kept) + l.opened }
