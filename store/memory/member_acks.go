package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// readerAck is what one reader has acknowledged of a topic.
type readerAck struct {
	reader string
	at     store.TopicPosition
}

// readerAckCost is what that counts against the budget, in bytes.
const readerAckCost = 40

// AckTopics implements Log.
func (h *memHandle) AckTopics(_ context.Context, ref store.LinkRef, at []store.TopicPosition) error {
	l, err := h.memLog, h.enterLink(ref)
	defer l.unlock()
	if err != nil {
		return err
	}
	r := l.reader(ref.Reader)
	if r == nil {
		return store.ErrNotFound
	}
	if k := r.link(ref.Number); k != nil {
		k.heard = l.store.now()
	}
	if l.topics == nil {
		return nil
	}

	for _, p := range at {
		for _, row := range l.topics.rows {
			if row.hash == p.Topic && row.covers(ref) {
				l.acknowledgeTopic(row, r.name, p)
			}
		}
	}
	return nil
}

// acknowledgeTopic records that a reader has everything up to p.
func (l *memLog) acknowledgeTopic(m *membership, reader string, p store.TopicPosition) {
	l.topics.changed = true
	advance(&m.acked, p)
	if m.Link.Reader != "" {
		return
	}
	for i := range m.acks {
		if m.acks[i].reader == reader {
			advance(&m.acks[i].at, p)
			return
		}
	}
	m.acks = append(m.acks, readerAck{reader, p})
	l.store.used.Add(readerAckCost)
}

// advance moves a position to p, unless it is further in the same epoch.
func advance(at *store.TopicPosition, p store.TopicPosition) {
	if p.Epoch != at.Epoch || p.Seq > at.Seq {
		*at = p
	}
}

// ackedBy returns what a reader that the membership covers has acknowledged.
func (r *membership) ackedBy(reader string) store.TopicPosition {
	if r.Link.Reader != "" {
		return r.acked
	}
	for _, a := range r.acks {
		if a.reader == reader {
			return a.at
		}
	}
	return store.TopicPosition{}
}

// dropAcks forgets what a reader has acknowledged.
func (l *memLog) dropAcks(m *membership, reader string) {
	i := slices.IndexFunc(m.acks, func(a readerAck) bool { return a.reader == reader })
	if i >= 0 {
		l.topics.changed = true
		m.acks = slices.Delete(m.acks, i, i+1)
		l.store.used.Add(-readerAckCost)
	}
}

// dropAllAcks forgets what all readers have acknowledged.
func (l *memLog) dropAllAcks(m *membership) {
	l.store.used.Add(-readerAckCost * int64(len(m.acks)))
	m.acks = nil
}
