package session

import (
	"context"
	"errors"
	"time"

	"github.com/mirage-go/mirage/store"
)

const (
	defaultFinish = 5 * time.Second
	maxFinish     = time.Minute
)

// Finish is End that first lets the readers get what is in the log. It waits until every
// reader that is here has acknowledged what was sent before the call. For a plain reader,
// it waits until that was written. Then it ends the session. It waits for at most within:
// zero means 5s, and more than a minute counts as a minute. A reader that lost its link
// less than ten seconds ago may be about to reconnect, so Finish waits for it, too. It
// does not wait for such a plain reader, which would come back as another one. If ctx
// ends, the session ends at once. OnEnd gets the same messages as with End. The error is
// that of End.
//
// While Finish waits, the session continues: its clients may send messages and begin
// links. Messages that are sent to the session in that time may not reach its readers, as
// with End.
//
// A client may acknowledge nothing while one of its own messages is being handled. In
// OnMessage, call Finish and RevokeWith on another goroutine: called directly, they may
// wait for all of within.
func (m *Manager) Finish(ctx context.Context, id string, within time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, finishTimeout(within))
	defer cancel()
	m.awaitDelivery(waiting, id, 0)
	return m.end(context.WithoutCancel(ctx), id, 0)
}

// RevokeWith is Revoke with a last message for every reader. The message, and what is in
// the log before it, is delivered first, as by Finish and within the same time. Until
// then, for within at most, the client can still act. To shut out an id at once, use
// Revoke.
//
// The id is revoked in any case. An error about the message means that no reader got it:
// ErrTooLarge, store.ErrEvent or store.ErrKey at once, or store.ErrFull if the log had no
// room within the time.
func (m *Manager) RevokeWith(ctx context.Context, id string, last store.Message, within time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, finishTimeout(within))
	defer cancel()
	seq, err := m.appendLast(waiting, id, &last)
	if errors.Is(err, store.ErrFull) && m.awaitDelivery(waiting, id, 0) { // there may be room now
		seq, err = m.appendLast(waiting, id, &last)
	}
	if err == nil {
		m.awaitDelivery(waiting, id, seq)
	} else if isOver(err) {
		err = nil // no reader is left to get it
	}
	return errors.Join(err, m.Revoke(context.WithoutCancel(ctx), id))
}

// appendLast appends the message and returns its number.
func (m *Manager) appendLast(ctx context.Context, id string, last *store.Message) (seq uint64, err error) {
	if err := m.checkMessage(last); err != nil {
		return 0, err
	}
	err = m.withSession(ctx, id, func(s *Session) error {
		p, err := s.append(ctx, "", last)
		seq = p.Seq
		return err
	})
	return seq, err
}

// finishTimeout returns how long Finish waits at most.
func finishTimeout(within time.Duration) time.Duration {
	if within <= 0 {
		return defaultFinish
	}
	return min(within, maxFinish)
}

// awaitDelivery waits until every reader that is here has what is in the log up to seq.
// If seq is 0, that is everything in it now. It reports whether that happened before ctx
// ended.
func (m *Manager) awaitDelivery(ctx context.Context, id string, seq uint64) bool {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		var behind int
		err := m.withSession(ctx, id, func(s *Session) (err error) {
			var top uint64
			if behind, top, err = s.log.Behind(ctx, seq); seq == 0 {
				seq = top
			}
			return err
		})

		switch {
		case err == nil && (behind == 0 || seq == 0):
			return true
		case isOver(err), errors.Is(err, ErrClosed):
			return false
		}

		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
}
