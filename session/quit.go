package session

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// Quit is a client's goodbye: its reader will not come back.
type Quit struct {
	ID    string        // the session
	Link  store.LinkRef // the link that the client uses, by reader and number
	Value any           // of the request, for OnDetach and OnEnd: see Value
}

// Quit removes a reader for good because its client said goodbye, and ends the session
// with its last reader. OnDetach is called at once. The error is store.ErrNotFound if
// there is no such reader. Quit waits for calls of the session's OnOpen, OnAttach and
// OnDetach that have begun, so these must not call it for their own session.
func (m *Manager) Quit(ctx context.Context, q Quit) error {
	if !m.enter() {
		return ErrClosed
	}
	defer m.work.Done()

	s, err := m.lookup(ctx, q.ID)
	if err != nil {
		return err
	}
	for l := range s.all() {
		if l.Hello.Link.Reader == q.Link.Reader {
			l.goodbye.Store(true)
		}
	}
	here, ended, err := s.log.Quit(ctx, q.Link)
	if err != nil {
		return err
	}

	m.hubs.goodbye(q.ID, q.Link.Reader)
	for l := range s.all() { // a link that is carried finds out in Take
		if l.Hello.Link.Reader == q.Link.Reader && l.end.state() == linkParked {
			l.finish(EndOver, 0)
		}
	}
	if here {
		s.order.do(func() { m.callOnDetach(s, ReaderInfo{Reader: q.Link.Reader}, q.Value) })
	}
	if ended != nil {
		s.markEnded(EndOver)
		m.emitEnded(*ended, ReasonLeft)
		m.callOnEnd(*ended, q.Value)
	}
	return nil
}
