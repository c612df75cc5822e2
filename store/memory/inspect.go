package memory

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

var _ store.Inspector = (*Store)(nil)

// Usage implements store.Inspector.
func (s *Store) Usage(context.Context) (store.Usage, error) {
	u := store.Usage{Bytes: s.used.Load() + s.ids.bytes.Load(), Budget: max(-1, s.budget)}
	s.mu.RLock()
	u.Sessions = len(s.logs)
	s.mu.RUnlock()
	s.topics.mu.RLock()
	u.Topics = len(s.topics.named)
	s.topics.mu.RUnlock()
	return u, nil
}

// InspectSessions implements store.Inspector.
func (s *Store) InspectSessions(ctx context.Context) iter.Seq2[store.SessionSummary, error] {
	return func(yield func(store.SessionSummary, error) bool) {
		for _, l := range s.all() {
			if err := ctx.Err(); err != nil {
				yield(store.SessionSummary{}, err)
				return
			}
			l.mu.Lock()
			ended, is := l.gone != nil, store.SessionSummary{}
			if !ended {
				is = l.summary()
			}
			l.mu.Unlock()
			if !ended && !yield(is, nil) {
				return
			}
		}
	}
}

// summary describes the log, which is locked.
func (l *memLog) summary() store.SessionSummary {
	is := store.SessionSummary{ID: l.handle.as.id, Messages: l.live(), Bytes: l.bytes}
	for _, r := range l.readers {
		if !l.isForgotten(r) {
			is.Readers++
			is.Links += r.live()
		}
	}
	if until := l.idleUntil(); until != 0 {
		is.Idle = time.Duration(max(0, l.store.now()-until+int64(l.bounds.Retention)))
	}
	return is
}

// isForgotten reports whether forget would drop the reader because it has been away for
// the retention.
func (l *memLog) isForgotten(r *memReader) bool {
	return len(r.links) == 0 && r.leftAt <= l.store.now()-int64(l.bounds.Retention)
}

// inspected returns the log of the session id, locked.
func (s *Store) inspected(id string) (*memLog, error) {
	s.mu.RLock()
	l := s.logs[id]
	s.mu.RUnlock()
	if l == nil {
		return nil, store.ErrNotFound
	}
	l.mu.Lock()
	if l.gone != nil || l.handle.as.id != id { // since then
		l.mu.Unlock()
		return nil, store.ErrNotFound
	}
	return l, nil
}

// InspectSession implements store.Inspector.
func (s *Store) InspectSession(_ context.Context, id string) (store.SessionDetail, error) {
	l, err := s.inspected(id)
	if err != nil {
		return store.SessionDetail{}, err
	}
	defer l.mu.Unlock()

	d := store.SessionDetail{
		SessionSummary: l.summary(), Epoch: l.epoch, First: l.top() + 1, Top: l.top(), Mark: l.mark,
		Bounds: *l.bounds, Writers: len(l.writers),
	}
	if i := l.next(l.floor - 1); i < l.entries.n {
		d.First = l.seqAt(i)
	}
	for _, r := range l.readers {
		if !l.isForgotten(r) {
			d.ReaderDetails = append(d.ReaderDetails, r.detail(s.now()))
		}
	}
	slices.SortFunc(d.ReaderDetails, func(a, b store.ReaderDetail) int { return cmp.Compare(a.Reader, b.Reader) })
	if l.topics != nil {
		for _, row := range l.topics.rows {
			d.Topics = append(d.Topics, row.Topic)
		}
		slices.Sort(d.Topics)
		d.Topics = slices.Compact(d.Topics)
	}
	return d, nil
}

func (r *memReader) detail(now int64) store.ReaderDetail {
	d := store.ReaderDetail{
		Reader: r.name, Plain: r.plain, Links: r.live(), Acked: r.acked, Sent: max(r.acked, r.sent),
	}
	if len(r.links) == 0 {
		d.Away = time.Duration(max(0, now-r.leftAt))
	}
	return d
}

// SessionMessages implements store.Inspector.
func (s *Store) SessionMessages(_ context.Context, id string, after uint64, max int) ([]store.Entry, error) {
	l, err := s.inspected(id)
	if err != nil {
		return nil, err
	}
	defer l.mu.Unlock()

	var all []store.Entry
	now := s.now()
	if after >= l.top() {
		return nil, nil
	}
	if after+1 < l.floor {
		after = l.floor - 1
	}
	for i := l.next(after); i < l.entries.n && len(all) < min(max, store.MaxInspected); i++ {
		m, seq := l.entries.at(i).message, l.seqAt(i)
		if m == nil {
			continue
		}
		if l.sparse != nil {
			if until := l.sparse.places.at(i).until; until != 0 && until <= now {
				continue
			}
		}
		all = append(all, store.Entry{Seq: seq, Message: m, Reader: l.only[seq]})
	}
	return all, nil
}

// InspectTopics implements store.Inspector.
func (s *Store) InspectTopics(ctx context.Context) iter.Seq2[store.TopicSummary, error] {
	return func(yield func(store.TopicSummary, error) bool) {
		for _, t := range s.topics.all() {
			if err := ctx.Err(); err != nil {
				yield(store.TopicSummary{}, err)
				return
			}
			if is, ok := t.summary(); ok && !yield(is, nil) {
				return
			}
		}
	}
}

func (ts *memTopics) all() []*memTopic {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	all := make([]*memTopic, 0, len(ts.named))
	for _, t := range ts.named {
		all = append(all, t)
	}
	return all
}

// summary describes the topic. ok is false if it has not begun.
func (t *memTopic) summary() (is store.TopicSummary, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log == nil || t.forgotten {
		return is, false
	}
	return store.TopicSummary{
		Name: t.name, Messages: t.log.Messages(), Bytes: t.log.Bytes(), Top: t.log.Position().Seq,
		Members: len(t.members),
	}, true
}
