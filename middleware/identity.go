package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/wiring"
	"github.com/mirage-go/mirage/store"
)

// An Identity is who made a request.
type Identity struct {
	ID       string // the mirage id
	Previous string // the id that the client came with, if it is another: the client is to use ID from now on
	// Signed is what the client presents as _mirage from now on. It is set only for a request that carries the key _mirage, be it
	// empty, and that begins a link: nobody else gets to see the signed value.
	Signed string
	Client string // names the client object (a page load), by a hash of its _cid; "" for a plain client
	Reader string // of the link token, if a valid one came
	Link   uint64 // its link; 0 if none came

	// Asked is on whose word the id is used: what a transport tells the session layer.
	Asked store.Asked

	codec *cookie.Codec
	visit *visit // for Grant; nil where there is nothing to hand out
}

// FromContext returns the identity of the request with this context, for the application. ok is false outside the middleware, for HEAD
// and OPTIONS, for a page of a foreign origin, and for every request with a link token that counts: such a one passed no hook and is for
// the transports alone, which ask Require. Else a client could take an application's own routes past Validate and Revoke with the token of a
// link that is still open. After Rotate it is the new identity.
func FromContext(ctx context.Context) (id Identity, ok bool) {
	v := visitOf(ctx)
	if v == nil || v.linked || v.refusal != nil && v.rotated.Load() == nil {
		return Identity{}, false
	}
	return v.identity(), true
}

// Grant hands out the cookie that is due, before the response is written: a transport calls it
// once the link is granted. Require has taken it back, because no link is refused and gets one
// (I15). Without a cookie that is due it does nothing.
func (id Identity) Grant(w http.ResponseWriter) {
	if v := id.visit; v != nil && v.cookie != "" {
		v.m.Codec.Put(w.Header(), v.cookie)
	}
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
	barred  *Error // why the id that came counts for nothing: the identity is a new one, for the application alone
	quiet   bool   // no answer to the value that came may set a cookie
	from    source // of the id
	client  string // the name of the _cid
	asks    bool   // the client wants to know its signed value
	linked  bool   // a link token vouches for the id
	rotated atomic.Pointer[Identity]

	came    time.Time   // the Store's time when the request was first looked at
	decided time.Time   // and when the id was decided that is handed out: what is signed bears it
	header  http.Header // of the response
	cookie  string      // what was put into it
}

// passing reports whether the identity is for this request alone: its client keeps nothing of
// it, because the response that holds its next id may be on its way (I14).
func (v *visit) passing() bool { return v.barred != nil && v.quiet }

func (v *visit) identity() Identity {
	if id := v.rotated.Load(); id != nil {
		return *id
	}
	return v.id
}

func (v *visit) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, wiring.Key{}, v)
}

func visitOf(ctx context.Context) *visit {
	v, _ := ctx.Value(wiring.Key{}).(*visit)
	return v
}
