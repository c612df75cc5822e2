package session

import (
	"context"
	"errors"
	"time"
)

const (
	finishWithin = 5 * time.Second
	finishMost   = time.Minute
)

// Finish is End that first lets the readers have what is in the log: it waits until each that is
// here has acknowledged what was sent before the call (a plain one, until it was written), and
// then ends the session. It waits at most for within; zero means 5s, and more than a minute is a
// minute. A reader that lost its link less than ten seconds ago is waited for, too, as it may be
// coming back. Until the end the session is as ever: it takes messages, but nobody waits for
// them, and new links. When ctx ends, the session ends at once. The error is that of End.
func (m *Manager) Finish(ctx context.Context, id string, within time.Duration) error {
	m.delivered(ctx, id, 0, within)
	return m.end(context.WithoutCancel(ctx), id, 0)
}

// RevokeWith is Revoke with a last message, for every reader, which is delivered first as by
// Finish. Until it is, or within has passed, the client can go on acting: whoever must be kept
// out at this moment is to be revoked by Revoke. Whether or not the log has room for the message,
// the id is revoked; ErrFull says that nobody got it.
func (m *Manager) RevokeWith(ctx context.Context, id string, last Message, within time.Duration) error {
	if err := m.check(&last); err != nil {
		return err
	}
	var seq uint64
	sent := m.on(ctx, id, func(s *Session) error {
		p, err := s.log.Append(ctx, &last, "")
		seq = p.Seq
		return err
	})
	if sent == nil {
		m.delivered(ctx, id, seq, within)
	} else if over(sent) {
		sent = nil
	}
	return errors.Join(sent, m.Revoke(context.WithoutCancel(ctx), id))
}

// delivered waits until every reader that is here has what is in the log up to seq, or, if that is
// 0, what is in it now; no longer than within.
func (m *Manager) delivered(ctx context.Context, id string, seq uint64, within time.Duration) {
	if within <= 0 {
		within = finishWithin
	}
	ctx, cancel := context.WithTimeout(ctx, min(within, finishMost))
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		var behind int
		err := m.on(ctx, id, func(s *Session) (err error) {
			var top uint64
			if behind, top, err = s.log.Behind(ctx, seq); seq == 0 {
				seq = top
			}
			return err
		})
		if err == nil && (behind == 0 || seq == 0) || over(err) || errors.Is(err, ErrClosed) {
			return
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}
