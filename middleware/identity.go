package middleware

import (
	"context"
	"sync/atomic"

	"github.com/mirage-go/mirage/cookie"
)

// An Identity is who made a request.
type Identity struct {
	ID       string // the mirage id
	Previous string // the id that the client came with, if it is another: the client is to use ID from now on
	// Signed is what the client presents as _mirage from now on. It is set only for a request that carries the key _mirage, be it
	// empty, and that begins a link: nobody else gets to see the signed value.
	Signed string
	Client string // the name that the client object gave itself, its _cid; "" for a plain client
	Reader string // of the link token, if a valid one came
	Link   uint64 // its link; 0 if none came

	codec *cookie.Codec
}

// FromContext returns the identity of the request with this context, for the application. ok is false outside the middleware, for HEAD
// and OPTIONS, for a page of a foreign origin, and for every request with a link token that counts: such a one passed no hook and is for
// the transports alone, which ask Require. Else a client could take an application's own routes past Validate and Revoke with the token of a
// link that is still open. After Rotate it is the new identity.
func FromContext(ctx context.Context) (id Identity, ok bool) {
	v := visitOf(ctx)
	if v == nil || v.refusal != nil || v.linked {
		return Identity{}, false
	}
	return v.identity(), true
}

// NewContext returns a context with this identity, as the middleware makes it: for tests of handlers. With a Link it is that of a request
// with a link token.
func NewContext(ctx context.Context, id Identity) context.Context {
	return (&visit{id: id, linked: id.Link != 0}).context(ctx)
}

// A visit is what the middleware found out about one request.
type visit struct {
	m       *middleware // nil after NewContext
	id      Identity
	refusal *Error // why there is no identity
	from    source // of the id
	client  string // the _cid
	asks    bool   // the client wants to know its signed value
	linked  bool   // a link token vouches for the id
	rotated atomic.Pointer[Identity]
}

func (v *visit) identity() Identity {
	if id := v.rotated.Load(); id != nil {
		return *id
	}
	return v.id
}

type visitKey struct{}

func (v *visit) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}
