package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/mirage-go/mirage/store"
)

// Send appends a message to the log of the session id, and returns its position. The
// error is store.ErrNotFound if there is no session, store.ErrFull if there is no room,
// ErrTooLarge, store.ErrEvent or store.ErrKey if msg is invalid, store.ErrUnsupported if
// msg has a Key or TTL and the Store does not support that, and ErrClosed after Shutdown.
// After store.ErrUncertain the message may be in the log. A nil error means that the
// message is in the log: every reader will get it, or be told of a gap, unless a newer
// message with its Key supersedes it, or its TTL is over. Send does not wait for any
// reader.
func (m *Manager) Send(ctx context.Context, id string, msg store.Message) (store.Position, error) {
	if at, ok, err := m.sendRemote(ctx, id, msg); ok {
		return at, err
	}
	var at store.Position
	err := m.withSession(ctx, id, func(s *Session) (err error) {
		if at, err = s.Send(ctx, msg); err == nil {
			m.keepRemote(s)
		}
		return err
	})
	if isOver(err) {
		m.emitAppended(Event{Session: id}, &msg, 0, err)
	}
	return at, err
}

// SendTo is Send for one reader. The error is also store.ErrNotFound if the session has
// no reader of that name. Other readers skip the message. See Session.SendTo.
func (m *Manager) SendTo(ctx context.Context, id, reader string, msg store.Message) (store.Position, error) {
	at, err := m.sendTo(ctx, id, reader, msg)
	if isOver(err) {
		m.emitAppended(Event{Session: id, Reader: reader}, &msg, 0, err)
	}
	return at, err
}

func (m *Manager) sendTo(ctx context.Context, id, reader string, msg store.Message) (store.Position, error) {
	s, err := m.lookup(ctx, id)
	if err != nil {
		return store.Position{}, err
	}
	at, err := s.SendTo(ctx, reader, msg)
	if !isOver(err) {
		return at, err
	}

	// Either there is no such reader, or this node does not know yet that the session has
	// ended. In that case another session may have the id.
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

// Sent is the result of a broadcast.
type Sent struct {
	Sessions int      // how many logs took the message
	Full     []string // the ids of those that had no room
}

// Broadcast appends a message to every session, once, even if a session gets another id
// meanwhile or is joined to another one. The sessions share the message. Broadcast does
// not wait for any reader. It continues if a log is full or has just ended: with
// OverflowRefuse, the sessions in Sent.Full do not get the message, and their readers are
// not told. Any other failure of the store stops it. The error is then returned with what
// was done until then.
func (m *Manager) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	var sent Sent
	if err := m.checkMessage(&msg); err != nil {
		return sent, err
	}
	if !m.isOpen() {
		return sent, ErrClosed
	}
	began := m.stopwatch()
	sent, err := m.broadcast(ctx, msg)
	if m.observed() || err != nil {
		m.emitAppended(Event{Messages: sent.Sessions}, &msg, began, err)
	}
	for _, id := range sent.Full {
		m.emitAppended(Event{Session: id}, &msg, began, store.ErrFull)
	}
	return sent, err
}

func (m *Manager) broadcast(ctx context.Context, msg store.Message) (sent Sent, err error) {
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

// count records the result for one session. It returns err if that ends the broadcast.
func (sent *Sent) count(id string, err error) error {
	switch {
	case err == nil:
		sent.Sessions++
	case errors.Is(err, store.ErrFull):
		sent.Full = append(sent.Full, id)
	case !isOver(err): // otherwise it ended meanwhile
		return err
	}
	return nil
}

// checkMessage returns an error unless the application may send msg.
func (m *Manager) checkMessage(msg *store.Message) error {
	if len(msg.Data) > m.o.MaxMessageSize {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(msg.Data), m.o.MaxMessageSize)
	}
	if err := msg.CheckKey(); err != nil {
		return err
	}
	return store.CheckEvent(msg.Event)
}
