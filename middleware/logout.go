package middleware

import (
	"context"
	"fmt"
	"net/http"
)

// Logout ends the visitor's session and revokes the id, as Manager.Revoke does, and lets
// the browser forget the cookie. It must be called before the response is written. Other
// tabs end at once, terminally; those that are not on at the moment do when they come
// back. What was sent to them just before may not reach them: Manager.RevokeWith is for a
// last message. Values of the id that were signed until now never count again (with
// sessions in memory, until the process restarts: there Validate is the lasting gate).
//
// An error means that the cookie stays and the visitor is still logged in. After
// store.ErrUncertain the id may have been revoked all the same. In either case the next
// request may call Logout again. After Logout a response may call Rotate, to give the
// visitor a new id at once.
func Logout(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	if v == nil || v.m == nil {
		return fmt.Errorf("middleware: logout: %w", errNowhere)
	}
	id, known := FromContext(r.Context())
	if !known {
		return fmt.Errorf("middleware: logout: %w", errNobody)
	}

	m := v.m
	if m.o.Sessions != nil && v.state != barred {
		ctx, cancel := context.WithTimeout(r.Context(), m.o.Timeout)
		defer cancel()
		if err := m.o.Sessions.Revoke(ctx, id.ID); err != nil {
			return fmt.Errorf("middleware: logout: %w", err)
		}
	}

	if v.cookie = ""; v.from != fromQuery {
		m.o.Codec.Expire(w.Header())
	}
	return nil
}
