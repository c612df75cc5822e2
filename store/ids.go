package store

import "time"

// Settle is how long an id stays unsettled after it was moved or revoked. A request that
// comes with it in that time may have left the browser before the browser got the new id.
const Settle = 10 * time.Second

// Asked describes the request for which a step is taken: when the value that it presents
// was signed, and when it came. The zero Asked stands for the application itself, whose
// steps are always granted.
type Asked struct {
	// Signed is the signing time of the value that the request presents. For an id that
	// is decided in this request, it is Came.
	Signed time.Time
	// Named reports whether the request only mentions the id, without a signed value.
	// Such a mention does not count as presenting the id.
	Named bool
	// Came is the Store's Now when the request arrived, before Resolve and the hooks.
	Came time.Time
}

// A Standing is the state of an id that a request presents.
type Standing struct {
	// ID is the id under which the client continues: the same one, or the one to which
	// Move took it for this client.
	ID    string
	State State
	// Quiet reports whether the request came less than Settle after the id was moved or
	// revoked. No answer to such a request renews the cookie, because a later answer may
	// already have replaced it.
	Quiet bool
}

// A State says whether a value is valid.
type State uint8

const (
	StateGood     State = iota // the value is valid
	StateSettling              // Rotate replaced its id less than Settle before the request came: retry soon
	StateRevoked               // the value is never valid again
)

// Moving says how a session moves from one id to another.
type Moving struct {
	Asked
	// Client names the only client whose old value leads to the new id, until the new id
	// is presented or revoked, and for Keep at most. Empty means none.
	Client string
	// Keep is also how long the session knows its previous id.
	Keep time.Duration
	// Settle is how long requests that come with the old id can neither make nor join a
	// session.
	Settle time.Duration
	// Refuse, if above zero, is how long the old id is revoked, in the same step.
	Refuse time.Duration
}
