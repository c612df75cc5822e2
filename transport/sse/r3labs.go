package sse

import (
	"bytes"
	"context"
	"fmt"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Publish sends an event of r3labs/sse/v2 to the session id, for programs that come from there: it stands where its Server.Publish stood, with a
// session in the place of a stream. See Manager.Send for what a nil error says; it never waits for a client.
//
// Event and Data are taken, and Data is copied: e may be used again. The rest is Mirage's own and must be empty, or Publish returns
// session.ErrInput: ID, because every message is numbered; Retry, which is Options.Retry; Comment, because heartbeats are sent by themselves.
// Unlike r3labs' Server, which ends every client's response at an event without Data, it delivers one; and Data arrives as it is, whatever
// it begins with and however many lines it has.
func Publish(ctx context.Context, m *session.Manager, id string, e *r3.Event) (store.Position, error) {
	msg, err := message(e)
	if err != nil {
		return store.Position{}, err
	}
	return m.Send(ctx, id, msg)
}

// Broadcast sends an event to every session, as Publish does to one. See Manager.Broadcast.
func Broadcast(ctx context.Context, m *session.Manager, e *r3.Event) (session.Sent, error) {
	msg, err := message(e)
	if err != nil {
		return session.Sent{}, err
	}
	return m.Broadcast(ctx, msg)
}

// message is e as a message, or why it cannot be one.
func message(e *r3.Event) (store.Message, error) {
	switch {
	case e == nil:
		return store.Message{}, fmt.Errorf("%w: the event is nil", session.ErrInput)
	case len(e.ID) > 0:
		return store.Message{}, fmt.Errorf("%w: Event.ID must be empty: Mirage numbers messages itself, so that clients resume by it", session.ErrInput)
	case len(e.Retry) > 0:
		return store.Message{}, fmt.Errorf("%w: Event.Retry must be empty: set Options.Retry", session.ErrInput)
	case len(e.Comment) > 0:
		return store.Message{}, fmt.Errorf("%w: Event.Comment must be empty: Mirage sends heartbeats itself", session.ErrInput)
	}
	return store.Message{Event: string(e.Event), Data: bytes.Clone(e.Data)}, nil
}
