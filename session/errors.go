package session

import (
	"errors"

	"github.com/mirage-go/mirage/store"
)

// The errors of a Manager. Those of its Store are in package store. Test for them with
// errors.Is: a returned error may wrap one of them and say more. The transports answer
// each with one fixed HTTP status.
var (
	// ErrTooLarge means that the message is larger than Options.MaxMessageSize.
	ErrTooLarge = store.ErrTooLarge
	// ErrOrder means that an upstream message came before the one that its writer must
	// send next.
	ErrOrder = errors.New("session: message out of order")
	// ErrRate means that the session sends upstream messages faster than Options.Rate.
	ErrRate = errors.New("session: too many messages")
	// ErrBusy means that the requests that bring messages hold too many bytes together:
	// see Options.Intake.
	ErrBusy = errors.New("session: too many bytes under way")
	// ErrLinkRate means that the session begins links faster than Options.LinkRate.
	ErrLinkRate = errors.New("session: too many new links")
	// ErrSettling means that the id of a new link, or of a message without a link, was
	// moved or revoked after its request came. The client retries in a second or two, and
	// its id is checked again.
	ErrSettling = errors.New("session: the id has just changed")
	// ErrClosed means that the Manager is shutting down.
	ErrClosed = errors.New("session: manager is shut down")
	// ErrInput means that the client's request is malformed, such as an Ack that is not a
	// position. The text says what is wrong.
	ErrInput = errors.New("session: bad input")
)

// isOver reports whether err means that the session has ended.
func isOver(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}
