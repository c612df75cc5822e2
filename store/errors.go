package store

import "errors"

// The errors of a Store and its Logs. Test for them with errors.Is: what is returned may
// say more. Each is one answer on the wire.
var (
	// ErrNotFound: no session of that id, or no such reader in it. A new link, or
	// Manager.Open, makes one.
	ErrNotFound = errors.New("session: not found")
	// ErrFull: the log, or the memory of all logs together, has no room for the message;
	// nothing was appended.
	ErrFull = errors.New("session: the log is full")
	// ErrBudget: the memory of the store is used up; no session or reader was made, no id
	// revoked or moved.
	ErrBudget = errors.New("session: the store has no memory left")
	// ErrEvent: the event's name is reserved or not fit for the wire.
	ErrEvent = errors.New("session: event name not allowed")
	// ErrAhead: a position beyond the top of the log was acknowledged.
	ErrAhead = errors.New("session: acknowledged what was never sent")
	// ErrSuperseded: the client has spoken on a newer link of the same reader, or another
	// request carries the link now.
	ErrSuperseded = errors.New("session: link superseded")
	// ErrCrowded: the session has Options.MaxLinks links of other readers, and each of
	// them was heard of within the last minute; or a link gave its place to a newer one
	// of another reader.
	ErrCrowded = errors.New("session: too many links at once")
	// ErrMoved: the session goes on under another id, or its id moved a moment ago.
	ErrMoved = errors.New("session: moved to another id")
	// ErrRevoked: the id was revoked.
	ErrRevoked = errors.New("session: id revoked")
	// ErrRenewed: the link is to come back through the hooks; nothing is lost.
	ErrRenewed = errors.New("session: link to be renewed")
	// ErrUncertain: the store did not answer in time; whether the operation took place is
	// not known.
	ErrUncertain = errors.New("session: outcome unknown")
)
