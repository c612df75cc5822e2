package middleware

import (
	"context"
	"net/http"
	"sync"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
)

// A Middleware finds out who makes a request. It has two forms: [Middleware.Identify] for
// pages and [Middleware.Guard] for links. Both may be mounted any number of times. A
// request is identified only once: behind Identify, Guard continues with the id that was
// found, and behind Guard neither does anything. A Middleware is safe for concurrent use.
// Create one with New.
type Middleware struct {
	o       Options
	origins map[string]bool // of others, allowed
	own     map[string]bool
	slots   chan struct{} // one for each running hook
	shared  sharing
	tokens  tokenCache

	logWiring, logTwice sync.Once // mistakes that every request would otherwise log again
}

// New returns a Middleware. It panics if the options are invalid. The message says what
// to change. Two Middlewares share nothing: each has its own bounds.
func New(o Options) *Middleware {
	o = o.complete()
	return &Middleware{
		o:       o,
		origins: originSet("Origins", o.Origins),
		own:     originSet("OwnOrigins", o.OwnOrigins),
		slots:   make(chan struct{}, o.MaxHooks),
		shared:  sharing{calls: make(map[sharedKey]*sharedCall)},
	}
}

// Identify is the middleware for pages. Behind it every visitor has an id (see
// FromContext). It does not call Options.Validate for an id that we signed, so it locks
// nobody out. It does call Validate for an unsigned id (Options.AcceptUnsigned), which
// nothing else can vouch for.
func (m *Middleware) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next, false) })
}

// Guard is the middleware for transports, and for pages that Options.Validate protects.
// It is like Identify, but it also calls Validate, and refuses a page as it would refuse
// a link. A refused visitor stays refused until the cookie is gone, which usually means
// for good.
func (m *Middleware) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next, true) })
}

// Context returns a context in which FromContext, Rotate and Logout use this Middleware,
// if several wrap a handler. Otherwise they use the innermost one. If this Middleware
// does not wrap the handler, the returned context has no identity.
func (m *Middleware) Context(ctx context.Context) context.Context {
	all := chainOf(ctx)
	switch v := all.of(m); {
	case all == nil, v == all.visit, all.m == nil: // the last one comes from NewContext
		return ctx
	case v == nil:
		return context.WithValue(ctx, wiring.Key{}, nil)
	default:
		return context.WithValue(ctx, wiring.Key{}, &chain{visit: v, outer: all})
	}
}

// serve calls next with the visit in the context, or answers the request itself.
func (m *Middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler, guard bool) {
	outer := chainOf(r.Context())
	if v := outer.of(m); v != nil { // this is not the first one of this Middleware
		m.serveAgain(w, r, next, v, guard)
		return
	}
	if outer.hasCookie(m.o.Codec.Name()) {
		m.logTwice.Do(func() { m.o.Logger.Error("mirage: " + errTwice.Reason) })
		refuse.Write(w, r, errTwice.refusal())
		return
	}

	addVary(w.Header())
	v := newVisit(m, w.Header(), outer)
	ctx := refuse.Foreign(r.Context(), false)
	switch m.origin(r) {
	case foreign:
		m.o.Count("foreign")
		v.state, v.refusal = refused, errForeign
		next.ServeHTTP(w, r.WithContext(refuse.Foreign(v.context(ctx), true)))
		return
	case listed:
		v.listed = true
		allow(w.Header(), r)
		if isPreflight(r) {
			refuse.NotUpgraded(w.Header(), r)
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if r.Method == http.MethodHead || r.Method == http.MethodOptions {
		v.state, v.refusal = refused, errMethod
	} else if err := m.identify(w.Header(), r, v, guard); err != nil {
		refuse.Write(w, r, err.refusal())
		return
	}
	next.ServeHTTP(w, r.WithContext(v.context(ctx)))
}

// serveAgain is serve for a request that this Middleware has already identified as v.
func (m *Middleware) serveAgain(w http.ResponseWriter, r *http.Request, next http.Handler, v *visit, guard bool) {
	if guard {
		var err *Error
		if v, err = m.guard(w.Header(), r, v); err != nil {
			refuse.Write(w, r, err.refusal())
			return
		}
	}
	if all := chainOf(r.Context()); v != all.visit {
		r = r.WithContext(context.WithValue(r.Context(), wiring.Key{}, &chain{visit: v, outer: all}))
	}
	next.ServeHTTP(w, r)
}

// vary lists the headers that decide whether a response belongs to an identity, and to
// which.
const vary = "Cookie, Origin, Sec-Fetch-Site, Sec-Fetch-Mode"

// varyOnly is shared. Appending to it allocates, because its capacity is 1.
var varyOnly = []string{vary}

func addVary(h http.Header) {
	if _, ok := h["Vary"]; ok {
		h.Add("Vary", vary)
		return
	}
	h["Vary"] = varyOnly
}
