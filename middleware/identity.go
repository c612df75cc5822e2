package middleware

import (
	"context"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/store"
)

// An Identity is who made a request.
type Identity struct {
	ID       string // the mirage id
	Previous string // the id that the client came with, if it is another: the client is to use ID from now on
	// Signed is what the client presents as _mirage from now on. It is set only for a
	// request that carries the key _mirage, be it empty, and that begins a link: nobody
	// else gets to see the signed value.
	Signed string
	Client string // names the client object (a page load), by a hash of its _cid; "" for a plain client
	Reader string // of the link token, if a valid one came
	Link   uint64 // its link; 0 if none came
	Value  any    // of Options.Value; only Require sets it

	// Asked is on whose word the id is used: what a transport tells the session layer.
	Asked store.Asked

	codec *cookie.Codec
	visit *visit // for Grant; nil where there is nothing to hand out
}

// FromContext returns the identity of the request with this context, for the application.
// Behind several Middlewares it is that of the innermost, see Middleware.Context. ok is
// false outside of a Middleware, for HEAD and OPTIONS, for a page of a foreign origin,
// and for every request with a link token that counts: such a one passed no hook and is
// for the transports alone, which ask Require. Else a client could take an application's
// own routes past Validate and Revoke with the token of a link that is still open. After
// Rotate it is the new identity.
func FromContext(ctx context.Context) (id Identity, ok bool) {
	v := visitOf(ctx)
	if v == nil || v.state == linked || v.state == refused && v.rotated.Load() == nil {
		return Identity{}, false
	}
	return v.identity(), true
}

// NewContext returns a context with this identity, as a Middleware makes it: for tests of
// handlers. With a Link it is that of a request with a link token.
func NewContext(ctx context.Context, id Identity) context.Context {
	v := newVisit(nil, nil, nil)
	v.id, v.state = id, guarded
	if id.Link != 0 {
		v.state = linked
	}
	return v.context(ctx)
}
