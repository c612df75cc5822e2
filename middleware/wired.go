package middleware

import (
	"errors"
	"reflect"
)

var (
	errNoSessions = errors.New("the middleware of this route has no Sessions, so that nothing could be revoked: " +
		"set middleware.Options.Sessions to the Manager of the transport")
	errOtherSessions = errors.New("the middleware of this route has the Sessions of another Manager: " +
		"set middleware.Options.Sessions to the Manager of the transport")
)

// Wired implements wiring.Value, for transports. A type of the application's own is believed.
func (v *visit) Wired(sessions any) error {
	m := v.m
	if m == nil { // NewContext
		return nil
	}
	var err error
	switch {
	case m.Sessions == nil:
		err = errNoSessions
	case reflect.TypeOf(m.Sessions) == reflect.TypeOf(sessions) && any(m.Sessions) != sessions:
		err = errOtherSessions
	default:
		return nil
	}
	m.miswired.Do(func() { m.Logger.Error("mirage: all requests to a transport are refused: " + err.Error()) })
	return err
}
