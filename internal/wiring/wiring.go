// Package wiring lets transports find out whether the middleware before them has their sessions.
package wiring

import (
	"context"
	"errors"
)

// Key is that of the middleware's value in the context of a request.
type Key struct{}

// A Value is what the middleware puts there.
type Value interface {
	// Wired returns an error that says what to change if the middleware has no sessions, or
	// others than these.
	Wired(sessions any) error
}

// Check is Wired of the middleware that the request of ctx has passed.
func Check(ctx context.Context, sessions any) error {
	v, ok := ctx.Value(Key{}).(Value)
	if !ok {
		return errMount
	}
	return v.Wired(sessions)
}

var errMount = errors.New("the middleware is not mounted on this route: put middleware.New(...) around the transport")
