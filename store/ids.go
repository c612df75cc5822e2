package store

import "time"

// Settle is how long an id that was moved or revoked stays unsettled: requests that came
// with it before that had left before the browser could know better.
const Settle = 10 * time.Second

// Asked says on whose word a step is taken: when the value that a request presents was
// signed, and when the request came. The zero Asked is the application's own word, which
// is always good.
type Asked struct {
	// Signed is the signing time of the value that the request presents; for an id that
	// is decided in this request it is Came.
	Signed time.Time
	// Named says that the request only names the id, without a value of it: nobody has
	// presented it.
	Named bool
	// Came is the Store's Now when the request was first looked at, before
	// Resolve and hooks.
	Came time.Time
}

// A Standing is what a Store says of an id that a request presents.
type Standing struct {
	// ID is what the holder's id is called now: itself, or where Move took it
	// for this client.
	ID    string
	State State
	// Quiet reports whether the request came less than Settle after the id was moved or
	// revoked. No answer to such a request renews the cookie, because a later answer may
	// already have replaced it.
	Quiet bool
}

// A State says whether a value counts.
type State uint8

const (
	StateGood     State = iota // it counts
	StateSettling              // Rotate replaced its id less than Settle before the request came: come back soon
	StateRevoked               // it never counts again
)

// Moving says how a session moves from one id to another.
type Moving struct {
	Asked
	// Client names the only client whose old value leads to the new id until that is
	// presented or revoked, for Keep at most. Empty means none.
	Client string
	// Keep is also how long the session knows its previous id.
	Keep time.Duration
	// Settle is how long requests that come with the old id make and join no session.
	Settle time.Duration
	// Refuse above zero revokes the old id for that long, in the same step.
	Refuse time.Duration
}
