package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/mirage-go/mirage/store"
)

// Send appends a message to the session id, and returns its position in the log:
// store.ErrNotFound without a session, store.ErrFull without room. A nil error says that
// it is in the log, and will reach every reader, or is told to it as a gap. It does not
// wait for any reader.
func (m *Manager) Send(ctx context.Context, id string, msg store.Message) (store.Position, error) {
	var at store.Position
	err := m.withSession(ctx, id, func(s *Session) (err error) {
		at, err = s.Send(ctx, msg)
		return err
	})
	return at, err
}

// SendTo is Send for one reader: also store.ErrNotFound if the session knows none of that
// name. The others pass over the message. See Session.SendTo.
func (m *Manager) SendTo(ctx context.Context, id, reader string, msg store.Message) (store.Position, error) {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return store.Position{}, err
	}
	at, err := s.SendTo(ctx, reader, msg)
	if !isOver(err) {
		return at, err
	}

	// Either there is no such reader, or this node has not heard yet that the session is
	// over: then another one may have the id.
	log, _, gone := m.store.Open(ctx, id, store.Asked{}, false, m.o.bounds())
	switch {
	case gone != nil && !isOver(gone):
		return at, gone
	case gone != nil:
		s.markEnded(EndOver)
		return at, err
	case log.Handle() == s.log.Handle():
		return at, err
	}
	s.markEnded(EndOver)
	return (&Session{m: m, id: id, log: log}).SendTo(ctx, reader, msg)
}

// Sent says what became of a broadcast.
type Sent struct {
	Sessions int      // how many logs took the message
	Full     []string // the ids of those that had no room
}

// Broadcast appends a message, which they share, to every session: once, also to one that
// gets another id meanwhile, or is joined to another session. It waits for no reader, and
// goes on where a log is full or has just ended: with OverflowRefuse, whoever is in
// Sent.Full does not get it, and nobody tells him. Another failure of the store ends it
// and is returned beside what was done until then.
func (m *Manager) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	var sent Sent
	if err := m.checkMessage(&msg); err != nil {
		return sent, err
	}
	if !m.isOpen() {
		return sent, ErrClosed
	}

	if b, ok := m.store.(store.Broadcaster); ok {
		err := b.Broadcast(ctx, &msg, sent.count)
		return sent, err
	}

	for log, err := range m.store.Logs(ctx) {
		if err != nil {
			return sent, err
		}
		_, err := log.Append(ctx, &msg, "")
		if err := sent.count(log.ID(), err); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// count notes what became of the message in one session. It returns an error that ends
// the broadcast.
func (sent *Sent) count(id string, err error) error {
	switch {
	case err == nil:
		sent.Sessions++
	case errors.Is(err, store.ErrFull):
		sent.Full = append(sent.Full, id)
	case !isOver(err): // else it ended meanwhile
		return err
	}
	return nil
}

// checkMessage returns an error unless the application may send msg.
func (m *Manager) checkMessage(msg *store.Message) error {
	if len(msg.Data) > m.o.MaxMessageSize {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(msg.Data), m.o.MaxMessageSize)
	}
	return store.CheckEvent(msg.Event)
}
