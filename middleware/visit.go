package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/wiring"
)

// A visit is what a Middleware found out about one request.
type visit struct {
	m       *Middleware // nil after NewContext
	state   state
	id      Identity
	refusal *Error                    // in refused: why there is no identity; in barred: why no link may have it
	quiet   bool                      // no answer to the value that came may set a cookie
	rotated *atomic.Pointer[Identity] // shared by all visits of the request

	presented credential // what came, for Guard behind Identify
	badToken  bool       // a link token came that did not verify
	from      source     // of the id
	client    string     // the name of the _cid
	asks      bool       // the client wants to know its signed value

	came    time.Time   // the Store's time when the request was first looked at
	decided time.Time   // and when the id was decided that is handed out: what is signed bears it
	header  http.Header // of the response
	listed  bool        // its page is of an origin in Options.Origins: header has the CORS headers
	cookie  string      // what was put into it

	chain    chain
	rotation atomic.Pointer[Identity] // where rotated points
}

// newVisit returns a visit that has found out nothing yet. outer are those of other
// Middlewares.
func newVisit(m *Middleware, h http.Header, outer *chain) *visit {
	v := &visit{m: m, header: h}
	v.rotated = &v.rotation
	v.chain = chain{visit: v, outer: outer}
	return v
}

// again returns a copy of what Identify has found, for Guard to go on with. The cookie
// that was due is not in it: Guard hands out the one that is due then.
func (v *visit) again(h http.Header) *visit {
	v.withdraw(h)
	return &visit{
		m: v.m, state: v.state, id: v.id, refusal: v.refusal, quiet: v.quiet, rotated: v.rotated,
		presented: v.presented, badToken: v.badToken, from: v.from, client: v.client, asks: v.asks,
		came: v.came, decided: v.decided, header: h,
	}
}

// A state says what the identity of a visit is good for. The way of the request moves it
// (identify.go). Guard behind Identify has a visit of its own, which goes on from
// identified.
//
//	refused
//	linked
//	identified ──Guard──▶ guarded, barred
//	guarded
//	barred
type state int

const (
	refused    state = iota // there is none
	linked                  // a link token vouches for it: for transports alone
	identified              // for pages and links; Validate was not asked
	guarded                 // for pages and links; Validate has let it in, or is not to be asked
	barred                  // the id that came counts for nothing; this one is new, for pages alone
)

// passing reports whether the identity is for this request alone: its client keeps
// nothing of it, because the response that holds its next id may be on its way (I14).
func (v *visit) passing() bool { return v.state == barred && v.quiet }

// unguarded reports whether Validate was not asked about the id, and ought to be before a
// link begins.
func (v *visit) unguarded() bool { return v.state == identified && v.rotated.Load() == nil }

func (v *visit) identity() Identity {
	if id := v.rotated.Load(); id != nil {
		return *id
	}
	return v.id
}

// A chain is a visit and those of other Middlewares that the request has passed before,
// the innermost first. A nil chain is empty.
type chain struct {
	*visit
	outer *chain
}

// of returns the visit of m, nil without one.
func (c *chain) of(m *Middleware) *visit {
	for ; c != nil; c = c.outer {
		if c.m == m {
			return c.visit
		}
	}
	return nil
}

// hasCookie reports whether one of these keeps its ids in the cookie of that name.
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
