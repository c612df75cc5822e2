// Package wiring lets transports query the middleware in front of them without importing
// it.
package wiring

import (
	"context"
	"errors"
	"net/http"
)

// Key is the key of the middleware's Value in the context of a request.
type Key struct{}

// A Value is the value that the middleware puts into the context.
type Value interface {
	// Wired returns an error that says what to change if the middleware has no sessions,
	// or not these.
	Wired(sessions any) error
	// Withdraw removes everything that the middlewares have put into this header of the
	// response. It reports whether no cookie is left in another header.
	Withdraw(http.Header) bool
}

// Check calls Wired of the innermost middleware that the request of ctx has passed. It
// returns an error if there is none.
func Check(ctx context.Context, sessions any) error {
	v, ok := ctx.Value(Key{}).(Value)
	if !ok {
		return errMount
	}
	return v.Wired(sessions)
}

// Withdraw removes our cookies, CORS headers and Vary from h, the header of a response
// that is the same for everybody. It reports whether caches may store the response. If
// not, the header outside a middleware such as http.TimeoutHandler, which cannot be
// changed, has a cookie.
func Withdraw(ctx context.Context, h http.Header) bool {
	v, ok := ctx.Value(Key{}).(Value)
	return !ok || v.Withdraw(h)
}

var errMount = errors.New("the middleware is not mounted on this route: " +
	"put Guard of middleware.New(...) around the transport")
