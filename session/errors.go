package session

import (
	"errors"

	"github.com/mirage-go/mirage/store"
)

// The errors of this package. Test for them with errors.Is: what is returned may say more. Each is one answer on the wire.
var (
	// ErrNotFound: no session of that id, or no such reader in it. A new link, or Manager.Open, makes one.
	ErrNotFound = errors.New("session: not found")
	// ErrFull: the log, or the memory of all logs together, has no room for the message; nothing was appended.
	ErrFull = errors.New("session: the log is full")
	// ErrBudget: the memory of the store is used up; no session or reader was made, no id
	// revoked or moved.
	ErrBudget = errors.New("session: the store has no memory left")
	// ErrTooLarge: the message is larger than Options.MaxMessageSize.
	ErrTooLarge = errors.New("session: message too large")
	// ErrEvent: the event's name is reserved or not fit for the wire.
	ErrEvent = errors.New("session: event name not allowed")
	// ErrAhead: a position beyond the top of the log was acknowledged.
	ErrAhead = errors.New("session: acknowledged what was never sent")
	// ErrOrder: an upstream message came before the one that its writer must send next.
	ErrOrder = errors.New("session: message out of order")
	// ErrRate: the session sends upstream messages faster than Options.Rate.
	ErrRate = errors.New("session: too many messages")
	// ErrBusy: the requests that bring messages hold too much together.
	ErrBusy = errors.New("session: too many bytes under way")
	// ErrSuperseded: the client has spoken on a newer link of the same reader, or another request carries the link now.
	ErrSuperseded = errors.New("session: link superseded")
	// ErrCrowded: the session has Options.MaxLinks links of other readers, and each of
	// them was heard of within the last minute; or a link gave its place to a newer one
	// of another reader.
	ErrCrowded = errors.New("session: too many links at once")
	// ErrLinkRate: the session begins links faster than Options.LinkRate.
	ErrLinkRate = errors.New("session: too many new links")
	// ErrMoved: the session goes on under another id, or its id moved a moment ago.
	ErrMoved = store.ErrMoved
	// ErrRevoked: the id was revoked.
	ErrRevoked = store.ErrRevoked
	// ErrSettling: the id of a new link was moved or revoked since its request came. The
	// client comes back in a second or two, and its id is checked again.
	ErrSettling = errors.New("session: the id has just changed")
	// ErrRenewed: the link is to come back through the hooks; nothing is lost.
	ErrRenewed = errors.New("session: link to be renewed")
	// ErrClosed: the Manager is shutting down.
	ErrClosed = errors.New("session: manager is shut down")
	// ErrUncertain: the store did not answer in time; whether the operation took place is not known.
	ErrUncertain = store.ErrUncertain
	// ErrInput: an argument that no well-behaved client sends; the text says which.
	ErrInput = errors.New("session: bad input")
)
