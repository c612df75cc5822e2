package middleware

import (
	"context"
	"fmt"
	"net/http"
)

// Logout ends the visitor's session and revokes the id, as Manager.Revoke does, and
// deletes the cookie in the browser. Call it before the response is written. The
// visitor's other tabs are closed for good: at once if they are connected, otherwise when
// they reconnect. Messages sent to them just before may not reach them: use
// Manager.RevokeWith for a last message. Values that were signed for the id until now are
// never valid again. If sessions are in memory, this holds only until the process
// restarts: there, only Validate refuses the id for good.
//
// An error means that the cookie stays and the visitor is still logged in. After
// store.ErrUncertain the id may have been revoked nevertheless. In either case the next
// request may call Logout again. A handler may call Rotate after Logout, to give the
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
