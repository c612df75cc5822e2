package session

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mirage-go/mirage/store"
)

// A Session is the mailbox of one mirage id, as callbacks and Manager.Open hand it out.
// It is a handle: cheap, safe for concurrent use, and of no use once the session is over
// (its methods are store.ErrNotFound then).
type Session struct {
	m     *Manager
	id    string
	log   store.Log
	order serial

	intakes intakes
	rate    bucket      // of upstream messages
	begun   bucket      // of new links
	ended   atomic.Bool // the log has: a later session of this id has another Session

	registration

	watch sync.Once // of the log, before the first link
	stop  func()

	mu    sync.Mutex
	away  map[string]*departure // the last of each reader, if it has a value
	links atomic.Pointer[Link]  // the newest, which knows the next. Changed under mu; waking walks it without
}

// ID is the mirage id.
func (s *Session) ID() string { return s.id }

// Send appends a message for every reader of the session. See Manager.Send.
func (s *Session) Send(ctx context.Context, msg store.Message) (store.Position, error) {
	return s.SendTo(ctx, "", msg)
}

// SendTo appends a message for one reader, and returns its position; store.ErrNotFound if
// the session knows none of that name. The others pass over it. An empty name is every
// reader. A reader without a link gets it if it comes back within the retention. If not,
// or if it says goodbye before that, OnGap tells, or OnEnd has the message.
func (s *Session) SendTo(ctx context.Context, reader string, msg store.Message) (store.Position, error) {
	if err := s.m.checkMessage(&msg); err != nil {
		return store.Position{}, err
	}
	at, err := s.log.Append(ctx, &msg, reader)
	if isOver(err) {
		err = store.ErrNotFound // whatever became of it
	}
	return at, err
}

// logAttrs names a reader of the session in the log.
func (s *Session) logAttrs(r ReaderInfo) []any {
	return []any{"session", s.id, "reader", r.Reader, "transport", r.Transport}
}

// Broadcast is the Manager's, for callbacks that have only the Session at hand.
func (s *Session) Broadcast(ctx context.Context, msg store.Message) (Sent, error) {
	return s.m.Broadcast(ctx, msg)
}
