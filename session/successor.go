package session

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// withSession runs f with the session id. Where f says that it is over, this node may not
// have heard of that yet, and another session may have the id.
func (m *Manager) withSession(ctx context.Context, id string, f func(*Session) error) error {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return err
	}
	if err = f(s); !isOver(err) {
		return err
	}
	why, _ := endOf(err)
	s.markEnded(why) // does nothing to one that only lookup knows
	if s, err = m.lookup(ctx, id); err != nil {
		return err
	}
	return f(s)
}

// retryOnSuccessor is for a step that the log of s has refused because it is over, or
// does not know the link: another node may have ended the session and made the next one,
// without a word to this one. If the log that the store has under the id now grants the
// step, s is over, and next is registered here until a call of release.
func retryOnSuccessor[T any](
	ctx context.Context, s *Session, step func(store.Log) (T, error),
) (next *Session, granted T, err error) {
	m := s.m
	log, _, err := m.store.Open(ctx, s.id, store.Asked{}, false, m.o.bounds())
	if err == nil {
		granted, err = step(log)
	}
	if err != nil {
		return nil, granted, err
	}

	if log.Handle() != s.log.Handle() { // else the step was granted at the second try
		s.markEnded(EndOver)
	}
	return m.local.register(&Session{m: m, id: s.id, log: log}), granted, nil
}
