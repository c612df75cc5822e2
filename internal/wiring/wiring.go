// Package wiring is what transports ask the middleware before them, without importing it.
package wiring

import (
	"context"
	"errors"
	"net/http"
)

// Key is that of the middleware's value in the context of a request.
type Key struct{}

// A Value is what the middleware puts there.
type Value interface {
	// Wired returns an error that says what to change if the middleware has no sessions,
	// or others than these.
	Wired(sessions any) error
	// Withdraw takes back what every middleware before has put into the header of the
	// response.
	Withdraw(http.Header)
}

// Check is Wired of the innermost middleware that the request of ctx has passed.
func Check(ctx context.Context, sessions any) error {
	v, ok := ctx.Value(Key{}).(Value)
	if !ok {
		return errMount
	}
	return v.Wired(sessions)
}

// Withdraw takes cookies and Vary back from h, the header of a response that is the same
// for everybody and that caches may keep.
func Withdraw(ctx context.Context, h http.Header) {
	if v, ok := ctx.Value(Key{}).(Value); ok {
		v.Withdraw(h)
	}
}

var errMount = errors.New("the middleware is not mounted on this route: " +
	"put Guard of middleware.New(...) around the transport")
