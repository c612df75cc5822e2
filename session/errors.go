package session

import (
	"errors"

	"github.com/mirage-go/mirage/store"
)

// The errors of a Manager; those of its Store are in package store. Test for them with
// errors.Is: what is returned may say more. Each is one answer on the wire.
var (
	// ErrTooLarge: the message is larger than Options.MaxMessageSize.
	ErrTooLarge = errors.New("session: message too large")
	// ErrOrder: an upstream message came before the one that its writer must send next.
	ErrOrder = errors.New("session: message out of order")
	// ErrRate: the session sends upstream messages faster than Options.Rate.
	ErrRate = errors.New("session: too many messages")
	// ErrBusy: the requests that bring messages hold too much together.
	ErrBusy = errors.New("session: too many bytes under way")
	// ErrLinkRate: the session begins links faster than Options.LinkRate.
	ErrLinkRate = errors.New("session: too many new links")
	// ErrSettling: the id of a new link was moved or revoked since its request came. The
	// client comes back in a second or two, and its id is checked again.
	ErrSettling = errors.New("session: the id has just changed")
	// ErrClosed: the Manager is shutting down.
	ErrClosed = errors.New("session: manager is shut down")
	// ErrInput: an argument that no well-behaved client sends; the text says which.
	ErrInput = errors.New("session: bad input")
)

// isOver reports whether err means that the session has ended.
func isOver(err error) bool {
	return errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrMoved) || errors.Is(err, store.ErrRevoked)
}
