// Package r3labs converts the events of github.com/r3labs/sse/v2, for programs that
// published with its Server and keep the code that makes their events. A session takes
// the place of a stream:
//
//	msg, err := r3labs.Message(event)
//	if err != nil {
//		return err
//	}
//	_, err = m.Send(ctx, id, msg) // where server.Publish(id, event) stood
//
// On the wire such a message looks like any other, and every transport carries it.
// r3labs/sse is linked only if you import this package.
package r3labs

import (
	"bytes"
	"fmt"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// Message returns a message with the name and the data of e. Sending it checks both: see
// store.Message for the reserved names, and session.Options for the largest size.
//
// Event and Data are copied, so e may be changed and reused. The other fields must be
// empty, because Mirage writes them itself: it numbers every message (ID), tells an
// EventSource when to reconnect (Retry: set Options.Retry of transport/sse) and sends
// heartbeats (Comment). If one of them is set or e is nil, Message returns an error that
// wraps session.ErrInput and says what to change.
//
// Unlike r3labs' Server, which ends every client's response at an event without Data,
// Mirage delivers such an event. Data arrives unchanged, whatever it begins with and
// however many lines it has.
func Message(e *r3.Event) (store.Message, error) {
	switch {
	case e == nil:
		return store.Message{}, fmt.Errorf("%w: the event is nil", session.ErrInput)
	case len(e.ID) > 0:
		return store.Message{}, fmt.Errorf(
			"%w: Event.ID must be empty: Mirage numbers messages itself, so that clients resume by it",
			session.ErrInput)
	case len(e.Retry) > 0:
		return store.Message{}, fmt.Errorf("%w: Event.Retry must be empty: set Options.Retry", session.ErrInput)
	case len(e.Comment) > 0:
		return store.Message{}, fmt.Errorf(
			"%w: Event.Comment must be empty: Mirage sends heartbeats itself", session.ErrInput)
	}
	return store.Message{Event: string(e.Event), Data: bytes.Clone(e.Data)}, nil
}
