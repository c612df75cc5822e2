package middleware

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Rotate gives the visitor a new id, made by Generate, with the session and its messages, and revokes the old one: to be called whenever
// somebody gains or loses a privilege, so that an id planted or seen before is worth nothing after. It must be called before the response is
// written. The new id goes into this response alone: as the cookie, or, if the id came in the query, as FromContext's Signed. Links of the old
// id end with mirage-drain and come back two seconds later with the new cookie. If the response has not reached the browser by then, its
// other tabs are told 410 and stop: do what takes long (a password's hash) before, and answer at once after. At a log-out the messages that
// wait are not for whoever comes next: there Manager.Revoke is right, which ends the session.
//
// An error with id "" means that nothing changed. With an id it means that the move is done and the new id handed out, but that the old one
// could not be revoked; to revoke it again is up to the caller. Without Sessions nothing moves and the old id stays good.
func Rotate(w http.ResponseWriter, r *http.Request) (id string, err error) {
	v := visitOf(r.Context())
	if v == nil || v.m == nil {
		return "", fmt.Errorf("middleware: rotate: %w", errMount)
	}
	old, ok := FromContext(r.Context())
	if !ok {
		return "", errors.New("middleware: rotate: the request has no identity: it is HEAD or OPTIONS, of a foreign page, or of a link")
	}
	m := v.m
	ctx, cancel := context.WithTimeout(r.Context(), m.Timeout)
	defer cancel()
	id, refusal := m.generate(ctx, r)
	switch {
	case refusal != nil:
		return "", fmt.Errorf("middleware: rotate: %w", refusal)
	case id == old.ID:
		return "", errors.New("middleware: rotate: Generate returned the old id; it must make a new one")
	}
	if m.Sessions != nil {
		if err := m.Sessions.Move(ctx, old.ID, id, ""); err != nil {
			return "", fmt.Errorf("middleware: rotate: move: %w", err)
		}
	}
	next := Identity{ID: id, Previous: old.ID, Client: v.client, codec: m.Codec}
	if err := m.handOut(w.Header(), v, &next); err != nil {
		return "", fmt.Errorf("middleware: rotate: %w", err)
	}
	v.rotated.Store(&next)
	if m.Sessions != nil {
		if err := m.Sessions.Revoke(ctx, old.ID); err != nil {
			return id, fmt.Errorf("middleware: rotate: revoke: %w", err)
		}
	}
	return id, nil
}
