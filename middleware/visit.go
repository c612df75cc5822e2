package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/wiring"
)

// A visit is what a Middleware knows about one request.
type visit struct {
	m       *Middleware // nil after NewContext
	state   state
	id      Identity
	refusal *Error                    // in refused: why there is no identity; in barred: why no link may use it
	quiet   bool                      // no answer to the presented value may set a cookie
	rotated *atomic.Pointer[Identity] // shared by all visits of the request

	presented credential // for Guard behind Identify
	badToken  bool       // a link token did not verify
	from      source     // of the id
	client    string     // the name of the _cid
	asks      bool       // the client asks for its signed value

	came    time.Time   // the Store's time when the request was first looked at
	decided time.Time   // when the id that is handed out was decided: the signing time
	header  http.Header // of the response
	listed  bool        // its page's origin is in Options.Origins: header has the CORS headers
	cookie  string      // the signed value that was put into header

	chain    chain
	rotation atomic.Pointer[Identity] // where rotated points
}

// newVisit returns an empty visit. outer are the visits of other Middlewares.
func newVisit(m *Middleware, h http.Header, outer *chain) *visit {
	v := &visit{m: m, header: h}
	v.rotated = &v.rotation
	v.chain = chain{visit: v, outer: outer}
	return v
}

// again returns a copy of the visit that Identify has found, from which Guard continues.
// It does not include the cookie that was due: Guard sets the one that is due then.
func (v *visit) again(h http.Header) *visit {
	v.withdraw(h)
	return &visit{
		m: v.m, state: v.state, id: v.id, refusal: v.refusal, quiet: v.quiet, rotated: v.rotated,
		presented: v.presented, badToken: v.badToken, from: v.from, client: v.client, asks: v.asks,
		came: v.came, decided: v.decided, header: h,
	}
}

// A state says what the identity of a visit may be used for. The steps in identify.go
// move it. Guard behind Identify has a visit of its own, which continues from
// identified.
//
//	refused
//	linked
//	identified ──Guard──▶ guarded, barred
//	guarded
//	barred
type state int

const (
	refused    state = iota // there is no identity
	linked                  // a link token vouches for it: only for transports
	identified              // for pages; Validate was not called
	guarded                 // for pages and links; Validate has accepted it, or need not be called
	barred                  // the presented id is no longer valid; this one is new, only for pages
)

// passing reports whether the identity is only for this request. Its client does not keep
// it, because the response that holds its next id may be on its way (I14).
func (v *visit) passing() bool { return v.state == barred && v.quiet }

// unguarded reports whether Validate must still be called for the id before a link
// begins.
func (v *visit) unguarded() bool { return v.state == identified && v.rotated.Load() == nil }

func (v *visit) identity() Identity {
	if id := v.rotated.Load(); id != nil {
		return *id
	}
	return v.id
}

// A chain is a visit and the visits of the Middlewares that the request has passed
// before, the innermost first. A nil chain is empty.
type chain struct {
	*visit
	outer *chain
}

// of returns the visit of m, or nil if there is none.
func (c *chain) of(m *Middleware) *visit {
	for ; c != nil; c = c.outer {
		if c.m == m {
			return c.visit
		}
	}
	return nil
}

// hasCookie reports whether a Middleware in the chain keeps its ids in the cookie with
// that name.
func (c *chain) hasCookie(name string) bool {
	for ; c != nil; c = c.outer {
		if c.m != nil && c.m.o.Codec.Name() == name {
			return true
		}
	}
	return false
}

func (v *visit) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, wiring.Key{}, &v.chain)
}

func chainOf(ctx context.Context) *chain {
	c, _ := ctx.Value(wiring.Key{}).(*chain)
	return c
}

func visitOf(ctx context.Context) *visit {
	if c := chainOf(ctx); c != nil {
		return c.visit
	}
	return nil
}
