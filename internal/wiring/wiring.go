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
	// Withdraw takes back what every middleware before has put into this header of the
	// response, and reports whether no cookie is left in another one.
	Withdraw(http.Header) bool
}

// Check is Wired of the innermost middleware that the request of ctx has passed.
func Check(ctx context.Context, sessions any) error {
	v, ok := ctx.Value(Key{}).(Value)
	if !ok {
		return errMount
	}
	return v.Wired(sessions)
}

// Withdraw takes cookies, CORS headers and Vary back from h, the header of a response
// that is the same for everybody. Caches may keep the response if it reports true: else a
// cookie is on its way in a header before a middleware such as http.TimeoutHandler, out
// of reach.
func Withdraw(ctx context.Context, h http.Header) bool {
	v, ok := ctx.Value(Key{}).(Value)
	return !ok || v.Withdraw(h)
}

var errMount = errors.New("the middleware is not mounted on this route: " +
	"put Guard of middleware.New(...) around the transport")
