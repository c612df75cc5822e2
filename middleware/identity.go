package middleware

import (
	"context"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/store"
)

// An Identity describes who made a request.
type Identity struct {
	ID       string // the mirage id
	Previous string // the id that the client presented, if different; the client must use ID from now on
	// Signed is the value that the client presents as _mirage from now on. It is set only
	// for a request that has the query key _mirage, even if empty, and that begins a
	// link. No other request gets the signed value.
	Signed string
	Client string // the client object's name (one per page load), a hash of its _cid; "" for a plain client
	Reader string // from the link token, if there is a valid one
	Link   uint64 // the token's link; 0 if there is none
	Value  any    // from Options.Value; only Require sets it

	// Asked says when the id was signed and when the request arrived. A transport passes
	// it to the session layer, which compares it with revocations.
	Asked store.Asked

	codec *cookie.Codec
	visit *visit // for Grant; nil where there is nothing to hand out
}

// FromContext returns the identity of the request with this context, for the application.
// Behind several Middlewares it is that of the innermost one (see Middleware.Context).
// After Rotate it is the new identity.
//
// ok is false outside of a Middleware, for HEAD and OPTIONS, for a page of a foreign
// origin, and for every request with a link token that counts. Such a request passed no
// hook and is only for the transports, which call Require. Otherwise a client could reach
// an application's own routes past Validate and Revoke, with the token of a link that is
// still open.
func FromContext(ctx context.Context) (id Identity, ok bool) {
	v := visitOf(ctx)
	if v == nil || v.state == linked || v.state == refused && v.rotated.Load() == nil {
		return Identity{}, false
	}
	return v.identity(), true
}

// NewContext returns a context with this identity, like the one that a Middleware
// creates. Use it to test handlers. If id.Link is set, the context is that of a request
// with a link token.
func NewContext(ctx context.Context, id Identity) context.Context {
	v := newVisit(nil, nil, nil)
	v.id, v.state = id, guarded
	if id.Link != 0 {
		v.state = linked
	}
	return v.context(ctx)
}
