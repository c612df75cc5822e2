package middleware

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
)

var (
	errNoSessions = errors.New("the middleware of this route has no Sessions, so nothing could be revoked: " +
		"set middleware.Options.Sessions to the Manager of the transport")
	errUnguarded = errors.New("this transport is behind Identify, which does not call Validate: " +
		"put Guard around the transport")
	errOtherSessions = errors.New("the middleware of this route has the Sessions of another Manager: " +
		"set middleware.Options.Sessions to the Manager of the transport")
)

// Wired implements wiring.Value, for transports. An implementation of Sessions by the
// application is trusted.
func (v *visit) Wired(sessions any) error {
	m := v.m
	if m == nil { // NewContext
		return nil
	}

	var err error
	switch {
	case m.o.Sessions == nil:
		err = errNoSessions
	case reflect.TypeOf(m.o.Sessions) == reflect.TypeOf(sessions) && any(m.o.Sessions) != sessions:
		err = errOtherSessions
	case v.unguarded():
		err = errUnguarded
	default:
		return nil
	}

	m.logWiring.Do(func() { m.o.Logger.Error("mirage: all requests to a transport are refused: " + err.Error()) })
	return err
}

// Withdraw implements wiring.Value.
func (c *chain) Withdraw(h http.Header) bool {
	h["Vary"] = slices.DeleteFunc(slices.Clone(h["Vary"]), func(line string) bool { return line == vary })
	if len(h["Vary"]) == 0 {
		delete(h, "Vary")
	}

	clean := true
	for ; c != nil; c = c.outer {
		if c.listed {
			disallow(h)
		}
		clean = c.withdraw(h) && clean
	}
	return clean
}
