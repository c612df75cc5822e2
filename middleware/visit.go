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
	refusal *Error // in refused: why there is no identity; in barred: why no link may have it
	quiet   bool   // no answer to the value that came may set a cookie
	rotated atomic.Pointer[Identity]

	presented credential // what came, for Guard behind Identify
	from      source     // of the id
	client    string     // the name of the _cid
	asks      bool       // the client wants to know its signed value

	came    time.Time   // the Store's time when the request was first looked at
	decided time.Time   // and when the id was decided that is handed out: what is signed bears it
	header  http.Header // of the response
	cookie  string      // what was put into it

	chain chain
}

// A state says what the identity of a visit is good for. identify moves it, once; Guard
// behind Identify moves identified to one of the two below it.
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
