package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/store"
)

// This file takes a request from the values that it presents to its identity. It reads
// downwards:
//
//	link token ──valid──────────────────────────────────────────────▶ linked
//	    │ none                                      (for transports alone)
//	credential ──none──▶ create ─────────────────────┐
//	    │ found                                      │
//	resolve ──revoked, moved──▶ create (for a page) ─┼──▶ welcome ─▶ barred
//	    │ counts                                     │
//	validate (Guard) ──▶ let in, or replace ─────────┴──▶ welcome ─▶ identified, guarded

// An arrival is one request that is being identified.
type arrival struct {
	m     *Middleware
	ctx   context.Context // ends at Options.Timeout, and when the client leaves
	r     *http.Request
	v     *visit
	query query
	cred  credential
}

// identify finds out who makes the request and writes it to v. If a cookie is due, it
// writes that to h. An error ends the request.
func (m *Middleware) identify(h http.Header, r *http.Request, v *visit, guard bool) *Error {
	q := queryOf(r)
	v.asks = q.asks
	if tokens := r.Header["Mirage-Link"]; len(tokens) > 0 && honoured(r.Method, q) {
		if m.linked(r, q, tokens, v) {
			return nil
		}
		if v.badToken = true; guard && m.refusesToken(r) {
			v.state, v.refusal = refused, errToken
			return nil
		}
	}

	q.own()
	v.came = m.now()
	v.decided = v.came
	v.client = cid.Name(q.cid)
	if m.o.Admit != nil {
		if err := m.hookError(validating, m.o.Admit(r)); err != nil {
			return err
		}
	}

	ctx, cancel := context.WithTimeout(r.Context(), m.o.Timeout)
	defer cancel()
	a := &arrival{m: m, ctx: ctx, r: r, v: v, query: q, cred: m.find(r, q, v.came)}
	v.from = a.cred.from
	id, err := a.decide(guard)
	if err != nil {
		return err
	}
	return a.welcome(h, id)
}

// refusesToken counts a link token that does not verify, and reports whether the request
// is refused for it. A poll is not, because it may begin a new link. Only Guard refuses,
// because a token that is sent to a page may belong to another Middleware.
func (m *Middleware) refusesToken(r *http.Request) bool {
	m.o.Count("invalid-token")
	return r.Method != http.MethodGet
}

// guard continues from the visit that Identify has found: it calls Validate for an id
// that the request presented. It leaves found unchanged for other handlers behind
// Identify.
func (m *Middleware) guard(h http.Header, r *http.Request, found *visit) (*visit, *Error) {
	if found.badToken && m.refusesToken(r) {
		v := found.again(h)
		v.state, v.refusal = refused, errToken
		return v, nil
	}
	if found.state != identified || found.rotated.Load() != nil {
		return found, nil // there is nothing to validate
	}

	q := queryOf(r)
	q.own()
	ctx, cancel := context.WithTimeout(r.Context(), m.o.Timeout)
	defer cancel()

	v := found.again(h)
	a := &arrival{m: m, ctx: ctx, r: r, v: v, query: q, cred: found.presented}
	id, err := a.decide(true)
	if err != nil {
		return nil, err
	}
	return v, a.welcome(h, id)
}

// now returns the Store's time. Values that are handed out for this request carry it as
// their signing time (I13).
func (m *Middleware) now() time.Time {
	if m.o.Sessions == nil {
		return time.Now()
	}
	return m.o.Sessions.Now()
}

// decide returns the id of the request: the one it presented, its replacement, or a new
// one. It sets the visit's state, except for barred, which resolve sets.
func (a *arrival) decide(guard bool) (id string, err *Error) {
	switch {
	case a.cred.from != nothing:
		// A link whose id is revoked or moved ends here. A route of the application, or a
		// link that may belong to another Middleware, continues with a new id. Otherwise
		// a visitor with a revoked cookie could not even log in.
		id, err = a.admit(guard)
		if a.v.state != barred || guard && a.query.cid != "" {
			a.v.presented = a.cred
			return id, err
		}
	case a.query.was != "" && a.m.o.Sessions != nil:
		if err := a.ended(); err != nil {
			return "", err
		}
	}

	if a.v.state != barred {
		a.v.state = guarded // Validate is not asked about ids that we make
	}
	return a.m.create(a.ctx, a.r, a.query, a.v)
}

// admit decides about the id that the request presented and returns the id that replaces
// it, or the same. It resolves the id again after the hook, because it may be revoked
// meanwhile, or moved by a parallel request.
func (a *arrival) admit(guard bool) (string, *Error) {
	m := a.m
	client := ""
	if m.o.Sessions != nil {
		client = aliasName(a.r, a.query)
	}
	now, err := a.resolve(client)
	if err != nil {
		return now, err
	}
	switch {
	case m.o.Validate == nil:
		a.v.state = guarded
		return now, nil
	case !guard && !a.cred.unsigned(): // only Validate can vouch for an unsigned id
		a.v.state = identified
		return now, nil
	}

	answer, err := m.run(a.ctx, a.r, validating, func(r *http.Request) (string, error) { return m.o.Validate(r, now) })
	if err != nil {
		return "", err
	}
	if now, err = a.resolve(client); err != nil {
		return now, err
	}
	if answer == "" || answer == now {
		a.v.state = guarded
		return now, nil
	}

	if !isID(answer) {
		return "", m.failed(validating, errBadID)
	}
	if err := a.replace(now, answer, client); err != nil {
		return "", err
	}
	m.o.Count("replaced")
	a.v.state = guarded
	return answer, nil
}

// resolve asks the session layer for the state and the current name of the id that the
// request presented.
func (a *arrival) resolve(client string) (string, *Error) {
	if a.m.o.Sessions == nil {
		return a.cred.id, nil
	}
	is, err := a.m.o.Sessions.Resolve(a.ctx, a.cred.id, store.Asked{Signed: a.cred.issued, Came: a.v.came}, client)
	if err != nil {
		return "", a.m.failed("resolve", err)
	}
	a.v.quiet = is.Quiet
	refusal := a.m.standing(is.State)
	if refusal != nil {
		a.v.state, a.v.refusal = barred, refusal
	}
	return is.ID, refusal
}

// ended refuses a link that presents no value if the id that its client was told before
// (_was) is revoked. A log-out removed its cookie, and its page must not continue as a
// new visitor.
func (a *arrival) ended() *Error {
	asked := store.Asked{Signed: time.Unix(1, 0), Named: true, Came: a.v.came}
	is, err := a.m.o.Sessions.Resolve(a.ctx, a.query.was, asked, "")
	if err != nil {
		return a.m.failed("resolve", err)
	}
	return a.m.standing(is.State)
}

// standing returns the refusal of a value in that state, nil if the value is valid.
func (m *Middleware) standing(s store.State) *Error {
	switch s {
	case store.StateSettling:
		m.o.Count("settling")
		return settling()
	case store.StateRevoked:
		m.o.Count("revoked")
		return errRevoked
	}
	return nil
}

// replace moves the session to the id that Validate returned.
func (a *arrival) replace(from, to, client string) *Error {
	if a.m.o.Sessions == nil {
		return nil
	}

	asked := store.Asked{Signed: a.cred.issued, Came: a.v.came}
	if from != a.cred.id { // from was decided in this request
		asked.Signed = a.v.came
	}

	switch err := a.m.o.Sessions.Replace(a.ctx, from, to, asked, client); {
	case err == nil:
		return nil
	case isOvertaken(err):
		return settling()
	default:
		return a.m.failed("move", err)
	}
}

// welcome creates the identity and hands out the cookie that is due.
func (a *arrival) welcome(h http.Header, id string) *Error {
	v, p := a.v, a.cred
	same := p.id == id && v.state != barred
	v.id = Identity{
		ID:     id,
		Client: v.client,
		Asked:  store.Asked{Signed: v.decided, Came: v.came},
		codec:  a.m.o.Codec,
		visit:  v,
	}
	if same {
		v.id.Asked.Signed = p.issued
	} else if p.from != nothing && v.state != barred {
		v.id.Previous = p.id
	}

	switch {
	case same && p.signed != "" && (!p.renew || v.quiet): // the client's value is still valid
		if v.asks {
			v.id.Signed = p.signed
		}
	case v.passing():
	default:
		if err := a.m.renew(h, v, &v.id); err != nil {
			return a.m.failed("sign", err)
		}
	}
	return nil
}
