package middleware

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/store"
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
		slots:   make(chan struct{}, o.MaxHooks),
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

	miswired sync.Once // the log line of Wired
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if v := visitOf(r.Context()); v != nil && v.m == m {
		next.ServeHTTP(w, r)
		return
	}
	addVary(w.Header())
	v := &visit{m: m, header: w.Header()}
	switch m.origin(r) {
	case foreign:
		m.Count("foreign")
		v.refusal = errForeign
		next.ServeHTTP(w, r.WithContext(refuse.Foreign(v.context(r.Context()))))
		return
	case listed:
		allow(w.Header(), r)
		if isPreflight(r) {
			refuse.NotUpgraded(w.Header(), r)
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
	v.came = m.now()
	v.decided = v.came
	v.client = cid.Name(q.cid)
	if m.Admit != nil {
		if err := m.hookError(validating, m.Admit(r)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.Timeout)
	defer cancel()

	p := m.present(r, q, v.came)
	v.from = p.from
	id, err := m.decide(ctx, r, q, p, v)
	if err != nil {
		return err
	}
	return m.welcome(h, v, p, id)
}

// now is the Store's time, with which everything is signed that this request hands out (I13).
func (m *middleware) now() time.Time {
	if m.Sessions == nil {
		return time.Now()
	}
	return m.Sessions.Now()
}

// decide returns the id of the request: the one that came, what it was replaced by, or a new one.
func (m *middleware) decide(ctx context.Context, r *http.Request, q query, p presented, v *visit) (string, *Error) {
	switch {
	case p.from != nothing:
		// A link of an id that counts for nothing ends here. An application's own route goes on
		// with a new id: else log-in, too, would be out of reach for whoever holds a dead cookie.
		id, err := m.admit(ctx, r, q, p, v)
		if v.barred == nil || q.cid != "" {
			return id, err
		}
	case q.was != "" && m.Sessions != nil:
		if err := m.ended(ctx, q.was, v); err != nil {
			return "", err
		}
	}
	return m.create(ctx, r, q, v)
}

// welcome makes the identity and hands out what is due.
func (m *middleware) welcome(h http.Header, v *visit, p presented, id string) *Error {
	same := p.id == id && v.barred == nil
	v.id = Identity{ID: id, Client: v.client, Asked: store.Asked{Signed: v.decided, Came: v.came}, codec: m.Codec, visit: v}
	if same {
		v.id.Asked.Signed = p.issued
	} else if p.from != nothing && v.barred == nil {
		v.id.Previous = p.id
	}

	switch {
	case same && p.signed != "" && (!p.renew || v.quiet): // what the client has is good
		if v.asks {
			v.id.Signed = p.signed
		}
	case v.passing():
	default:
		if err := m.handOut(h, v, &v.id); err != nil {
			return m.failed("sign", err)
		}
	}
	return nil
}

// handOut signs the id and puts it where its client finds it.
func (m *middleware) handOut(h http.Header, v *visit, id *Identity) error {
	signed, err := m.Codec.SignAt(cookie.ID, id.ID, v.decided)
	if err == nil {
		m.put(h, v, id, signed)
	}
	return err
}

// put puts the signed id into the cookie, unless the client keeps its value itself and presented
// one in the query, and into Signed for a client that asks.
func (m *middleware) put(h http.Header, v *visit, id *Identity, signed string) {
	if v.from != fromQuery {
		v.cookie = signed
		m.Codec.Put(h, signed)
	}
	if v.asks {
		id.Signed = "~" + signed
	}
}
