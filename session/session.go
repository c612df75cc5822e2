package session

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// A Session is a handle of the session of one mirage id, as callbacks and Manager.Open
// return it. It is cheap, and safe for concurrent use. Once the session has ended, Send
// and SendTo return store.ErrNotFound.
type Session struct {
	m     *Manager
	id    string
	log   store.Log
	order serial
	lag   lag

	intakes intakes
	rate    bucket // of upstream messages
	begun   bucket // of new links
	joins   bucket // of clients, into topics
	joining joining
	ended   atomic.Bool // the log has ended: a later session of this id has another Session

	registration

	watch sync.Once // of the log, before the first link
	stop  func()

	mu    sync.Mutex
	away  map[string]*departure // each reader's last departure, if it has a value
	links atomic.Pointer[Link]  // the newest, which points to the next; changed under mu, read without
}

// ID returns the mirage id.
func (s *Session) ID() string { return s.id }

// Send appends a message for every reader of the session. See Manager.Send.
func (s *Session) Send(ctx context.Context, msg store.Message) (store.Position, error) {
	return s.SendTo(ctx, "", msg)
}

// SendTo appends a message for one reader, and returns its position. The error is
// store.ErrNotFound if the session has no reader of that name. An empty name means every
// reader. Other readers skip the message. A reader without a link gets it if it comes
// back within the retention. If it does not, or says goodbye before, OnGap reports the
// loss or OnEnd gets the message.
func (s *Session) SendTo(ctx context.Context, reader string, msg store.Message) (store.Position, error) {
	if err := s.m.checkMessage(&msg); err != nil {
		s.m.emitAppended(Event{Session: s.id, Reader: reader}, &msg, 0, err)
		return store.Position{}, err
	}
	if s.m.tracer == nil {
		return s.append(ctx, reader, &msg)
	}
	ctx, done := s.m.trace(ctx, Event{Kind: EventAppended, Session: s.id, Reader: reader, Bytes: int64(len(msg.Data))})
	at, err := s.append(ctx, reader, &msg)
	done(err)
	return at, err
}

// append appends a message that was checked, and tells the Observer, unless the session
// has ended: its caller may know a later one of this id.
func (s *Session) append(ctx context.Context, reader string, msg *store.Message) (store.Position, error) {
	began := s.m.stopwatch()
	at, err := s.log.Append(ctx, msg, reader)
	err = s.asNotFound(err)
	if err == nil && !s.m.observed() {
		return at, nil
	}
	if err == nil {
		s.lag.follow(began, at.Seq)
	}
	if err != store.ErrNotFound {
		s.m.emitAppended(Event{Session: s.id, Reader: reader, To: at.Seq}, msg, began, err)
	}
	return at, err
}

// logAttrs returns the log attributes that identify a reader of the session.
func (s *Session) logAttrs(r ReaderInfo) []any {
	return []any{"session", s.m.logID(s.id), "reader", r.Reader, "transport", r.Transport}
}

// Broadcast is Manager.Broadcast, for callbacks that have only the Session.
func (s *Session) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	return s.m.Broadcast(ctx, msg)
}
