package store

import "errors"

// The errors of a Store and its Logs. Test for them with errors.Is: a returned error may
// wrap one of them and say more. The transports answer each with one fixed HTTP status,
// except ErrFull, which only a sender gets.
var (
	// ErrNotFound means that there is no session of that id, or no such reader in it. A
	// new link, or Manager.Open, makes one.
	ErrNotFound = errors.New("session: not found")
	// ErrFull means that the log, or the memory of all logs together, has no room for the
	// message. Nothing was appended.
	ErrFull = errors.New("session: the log is full")
	// ErrBudget means that the memory of the store is used up. No session or reader was
	// made, and no id revoked or moved.
	ErrBudget = errors.New("session: the store has no memory left")
	// ErrEvent means that the event's name is reserved, or not fit for the wire.
	ErrEvent = errors.New("session: event name not allowed")
	// ErrAhead means that a position beyond the top of the log was acknowledged.
	ErrAhead = errors.New("session: acknowledged what was never sent")
	// ErrSuperseded means that the client has used a newer link of the same reader, or
	// that another request carries the link now.
	ErrSuperseded = errors.New("session: link superseded")
	// ErrCrowded means that the session has Options.MaxLinks links of other readers, and
	// that the client of each was heard from within the last minute. For a link that
	// exists, it means that its place went to a newer link of another reader.
	ErrCrowded = errors.New("session: too many links at once")
	// ErrMoved means that the session continues under another id, or that its id moved a
	// moment ago.
	ErrMoved = errors.New("session: moved to another id")
	// ErrRevoked means that the id was revoked.
	ErrRevoked = errors.New("session: id revoked")
	// ErrRenewed means that the client must come back through the hooks. Nothing is lost.
	ErrRenewed = errors.New("session: link to be renewed")
	// ErrTopic means that the name cannot be the name of a topic.
	ErrTopic = errors.New("session: topic name not allowed")
	// ErrTopics means that a client would read more topics than are allowed.
	ErrTopics = errors.New("session: too many topics")
	// ErrRemoved means that the application has removed the session from a topic while it
	// was deciding about a join: it must decide again.
	ErrRemoved = errors.New("session: removed from a topic meanwhile")
	// ErrKey means that the key of a message is malformed or missing, or that its TTL is
	// negative.
	ErrKey = errors.New("session: message key not allowed")
	// ErrSealed means that a growing message is complete, and cannot grow any more.
	ErrSealed = errors.New("session: the growing message is complete")
	// ErrTooLarge means that the message is larger than allowed.
	ErrTooLarge = errors.New("session: message too large")
	// ErrUnsupported means that the Store cannot do this: it has no topics, or no
	// messages with Key or TTL.
	ErrUnsupported = errors.New("session: not supported by this store")
	// ErrUncertain means that the store did not answer in time. Whether the operation
	// took place is not known.
	ErrUncertain = errors.New("session: outcome unknown")
)
