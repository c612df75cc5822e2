package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/store"
)

// This file is the way of a request from what it brings to who makes it.
// It reads downwards:
//
//	link token ──valid──────────────────────────────────────────────▶ linked
//	    │ none                                      (for transports alone)
//	credential ──none──▶ create ─────────────────────┐
//	    │ found                                      │
//	resolve ──revoked, moved──▶ create (for a page) ─┼──▶ welcome ─▶ barred
//	    │ counts                                     │
//	validate (Guard) ──▶ let in, or replace ─────────┴──▶ welcome ─▶ identified, guarded

// An arrival is one request on this way.
type arrival struct {
	m     *Middleware
	ctx   context.Context // ends at Options.Timeout, and when the client leaves
	r     *http.Request
	v     *visit
	query query
	cred  credential
}

// identify finds out who is there and writes it into v, and the cookie, if it is due,
// into h. An error ends the request.
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

// refusesToken counts a link token that does not verify, and reports whether that refuses
// the request: a poll may begin a new link. It is for Guard alone, because a token that
// comes to a page may be another Middleware's.
func (m *Middleware) refusesToken(r *http.Request) bool {
	m.o.Count("invalid-token")
	return r.Method != http.MethodGet
}

// guard goes on with what Identify has found: it asks Validate about an id that came. It
// leaves that visit as it is, for whoever else is behind Identify.
func (m *Middleware) guard(h http.Header, r *http.Request, found *visit) (*visit, *Error) {
	if found.badToken && m.refusesToken(r) {
		v := found.again(h)
		v.state, v.refusal = refused, errToken
		return v, nil
	}
	if found.state != identified || found.rotated.Load() != nil {
		return found, nil // there is nothing to ask
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

// now is the Store's time, with which everything is signed that this request
// hands out (I13).
func (m *Middleware) now() time.Time {
	if m.o.Sessions == nil {
		return time.Now()
	}
	return m.o.Sessions.Now()
}

// decide returns the id of the request: the one that came, what it was replaced by, or a
// new one. It moves the visit's state, but for barred, to which resolve has moved it.
func (a *arrival) decide(guard bool) (id string, err *Error) {
	switch {
	case a.cred.from != nothing:
		// A link of an id that counts for nothing ends here. An application's own route,
		// and a link that may be another Middleware's, goes on with a new id: else
		// log-in, too, would be out of reach for whoever holds a dead cookie.
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
		a.v.state = guarded // what we make ourselves is not for Validate
	}
	return a.m.create(a.ctx, a.r, a.query, a.v)
}

// admit decides about the id that came and returns what it is called from now on. What
// becomes of it while the hook runs counts: it may be revoked then, or moved by a
// parallel request.
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
	case !guard && !a.cred.unsigned(): // of an unsigned one nothing vouches but Validate
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

// resolve asks how the id stands that came.
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

// ended refuses a link without a value whose client was told the id before, if that
// id is revoked: its cookie is gone because of a log-out, and its page is not to go
// on as a stranger.
func (a *arrival) ended() *Error {
	asked := store.Asked{Signed: time.Unix(1, 0), Named: true, Came: a.v.came}
	is, err := a.m.o.Sessions.Resolve(a.ctx, a.query.was, asked, "")
	if err != nil {
		return a.m.failed("resolve", err)
	}
	return a.m.standing(is.State)
}

// standing is the refusal of a value in that state; nil for one that counts.
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

// replace moves the session of the id to what Validate answered.
func (a *arrival) replace(from, to, client string) *Error {
	if a.m.o.Sessions == nil {
		return nil
	}

	asked := store.Asked{Signed: a.cred.issued, Came: a.v.came}
	if from != a.cred.id { // decided in this request
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

// welcome makes the identity and hands out the cookie that is due.
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
	case same && p.signed != "" && (!p.renew || v.quiet): // what the client has is good
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
