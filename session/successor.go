package session

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// withSession runs f with the session id. If f returns that it has ended, this node may
// not have known that, and another session may have the id: then f runs with that one.
func (m *Manager) withSession(ctx context.Context, id string, f func(*Session) error) error {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return err
	}
	if err = f(s); !isOver(err) {
		return err
	}
	why, _ := endOf(err)
	s.markEnded(why) // has no effect on a Session that is only a handle
	if s, err = m.lookup(ctx, id); err != nil {
		return err
	}
	return f(s)
}

// retryOnSuccessor repeats a step that the log of s has refused because it has ended, or
// does not know the link. Another node may have ended the session and made the next one,
// unknown to this node. If the log that the store now has under the id grants the step, s
// has ended, and next is registered here until release is called.
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

	if log.Handle() != s.log.Handle() { // otherwise the second try was granted
		s.markEnded(EndOver)
	}
	return m.local.register(&Session{m: m, id: s.id, log: log}), granted, nil
}
