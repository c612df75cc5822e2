package middleware

import (
	"context"
	"net/http"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/refuse"
)

// vary names the headers on which it depends whether a response belongs to an identity, and to which.
const vary = "Cookie, Origin, Sec-Fetch-Site, Sec-Fetch-Mode"

// varyOnly is shared: whoever adds to it gets memory of its own.
var varyOnly = []string{vary}

func addVary(h http.Header) {
	if _, ok := h["Vary"]; ok {
		h.Add("Vary", vary)
		return
	}
	h["Vary"] = varyOnly
}

// New returns the middleware. It panics if the options are impossible, and the message says what to change. What it returns may be
// mounted any number of times; mounted twice over one handler, the inner one does nothing. Two calls of New share nothing: each has its
// own bounds.
func New(o Options) func(http.Handler) http.Handler {
	o = o.complete()
	m := &middleware{
		Options: o,
		origins: originSet("Origins", o.Origins),
		own:     originSet("OwnOrigins", o.OwnOrigins),
		slots:   make(chan struct{}, o.Hooks),
		shared:  sharing{calls: make(map[sharedKey]*sharedCall)},
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}
}

type middleware struct {
	Options
	origins map[string]bool // of others, allowed
	own     map[string]bool
	slots   chan struct{} // one for each running hook
	shared  sharing
	tokens  remembered
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if v := visitOf(r.Context()); v != nil && v.m == m {
		next.ServeHTTP(w, r)
		return
	}
	addVary(w.Header())
	v := &visit{m: m}
	switch m.origin(r) {
	case foreign:
		m.Count("foreign")
		v.refusal = errForeign
		next.ServeHTTP(w, r.WithContext(refuse.Foreign(v.context(r.Context()))))
		return
	case listed:
		allow(w.Header(), r)
		if isPreflight(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if r.Method == http.MethodHead || r.Method == http.MethodOptions {
		v.refusal = errMethod
	} else if err := m.identify(w.Header(), r, v); err != nil {
		refuse.Write(w, r, err.Status, err.Reason, err.RetryAfter)
		return
	}
	next.ServeHTTP(w, r.WithContext(v.context(r.Context())))
}

// identify finds out who is there and writes it into v, and the cookie, if it is due, into h. An error ends the request.
func (m *middleware) identify(h http.Header, r *http.Request, v *visit) *Error {
	q := parseQuery(r.URL.RawQuery)
	navigation := isNavigation(r)
	if navigation {
		q = query{} // a link on a foreign page must not plant an id (I1)
	}
	v.asks = q.asks
	if tokens := r.Header["Mirage-Link"]; len(tokens) > 0 && honoured(r.Method, q) {
		if m.linked(r, q, tokens, v) {
			return nil
		}
		m.Count("invalid-token")
		if r.Method != http.MethodGet {
			v.refusal = errToken
			return nil
		}
	}
	q.own()
	v.client = q.cid
	if m.Admit != nil {
		if err := m.judge(validating, m.Admit(r)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.Timeout)
	defer cancel()

	var id string
	var err *Error
	p := m.present(r, q)
	if p.from != nothing {
		id, err = m.admit(ctx, r, q, p)
		if err == errRevoked && navigation && r.Method == http.MethodGet {
			p, err = presented{}, nil // a page begins anew (I11)
		}
	}
	if err == nil && p.from == nothing {
		id, err = m.create(ctx, r, q)
	}
	if err != nil {
		return err
	}
	return m.welcome(h, v, p, id)
}

// welcome makes the identity and hands out what is due.
func (m *middleware) welcome(h http.Header, v *visit, p presented, id string) *Error {
	v.from, v.id = p.from, Identity{ID: id, Client: v.client, codec: m.Codec}
	if p.from != nothing && p.id != id {
		v.id.Previous = p.id
	}
	switch fresh := p.id == id && !p.renew; {
	case fresh && p.from == fromQuery:
		v.id.Signed = p.signed
	case fresh && !v.asks: // what the cookie holds is good
	default:
		if err := m.handOut(h, v, &v.id); err != nil {
			return m.failed("sign", err)
		}
	}
	return nil
}

// handOut signs the id: into the cookie, unless the client keeps its value itself and presented it in the query, and into Signed for a
// client that asks.
func (m *middleware) handOut(h http.Header, v *visit, id *Identity) error {
	var signed string
	var err error
	if v.from == fromQuery {
		signed, err = m.Codec.Sign(cookie.ID, id.ID)
	} else {
		signed, err = m.Codec.Set(h, id.ID)
	}
	if err == nil && v.asks {
		id.Signed = "~" + signed
	}
	return err
}
