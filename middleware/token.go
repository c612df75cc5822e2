package middleware

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/cid"
)

// grace is how much longer than its link a token is valid.
const grace = time.Minute

// LinkToken returns the signed name of a link. Later requests of that link present it in
// the header Mirage-Link instead of going through the hooks. It is valid for life plus
// one minute. reader has at most 64 bytes. LinkToken returns "" if the identity does not
// come from this package's middleware or if reader is too long.
func (id Identity) LinkToken(reader string, link uint64, life time.Duration) string {
	if id.codec == nil || len(reader) > cid.Max {
		return ""
	}
	expires := time.Now().Add(life + grace).UnixMilli()
	payload := strings.Join([]string{id.ID, strconv.FormatUint(link, 36), strconv.FormatInt(expires, 36), reader}, " ")
	token, _ := id.codec.Sign(cookie.Link, payload) // "" on error
	return token
}

// A token is a link token that verified.
type token struct {
	id, reader string
	link       uint64
	expires    time.Time
}

// readToken verifies a link token. ok is also false if the token has expired.
func (m *Middleware) readToken(signed string) (t token, ok bool) {
	payload, _, err := m.o.Codec.Verify(cookie.Link, signed)
	if err != nil {
		return token{}, false
	}
	parts := strings.SplitN(payload, " ", 4)
	if len(parts) != 4 {
		return token{}, false
	}
	link, err1 := strconv.ParseUint(parts[1], 36, 64)
	expires, err2 := strconv.ParseInt(parts[2], 36, 64)
	t = token{id: parts[0], reader: parts[3], link: link, expires: time.UnixMilli(expires)}
	return t, err1 == nil && err2 == nil && time.Now().Before(t.expires)
}

// honoured reports whether a link token counts on a request: on all upstream requests and
// on the polls of a link. Any other GET begins a new link, which goes through the hooks.
func honoured(method string, q query) bool {
	switch method {
	case http.MethodPost, http.MethodDelete:
		return true
	case http.MethodGet:
		return q.wait
	}
	return false
}

// linked finds the identity of a request by its link token. The token must belong to the
// id that is presented with it, so a leaked token alone is worthless. A pair that
// verified is cached: the next request with the same two strings costs one look-up.
func (m *Middleware) linked(r *http.Request, q query, tokens []string, v *visit) bool {
	if len(tokens) != 1 {
		return false
	}

	beside := m.beside(r, q)
	t, ok := m.tokens.get(tokens[0], beside)
	if !ok {
		if t, ok = m.readToken(tokens[0]); !ok {
			return false
		}
		p := m.find(r, q, time.Now())
		if p.from == nothing || p.id != t.id {
			return false
		}
		if expires := p.issued.Add(m.o.Codec.MaxAge()); expires.Before(t.expires) {
			t.expires = expires
		}
		if p.from == beside.from && beside.value != "" {
			m.tokens.put(tokens[0], beside, t)
		}
		beside.from = p.from
	}

	v.state, v.from = linked, beside.from
	v.client = t.reader
	v.id = Identity{ID: t.id, Client: v.client, Reader: t.reader, Link: t.link, codec: m.o.Codec}
	return true
}

// beside returns the unverified value of the id that is presented with a token. The value
// is "" if find must decide.
func (m *Middleware) beside(r *http.Request, q query) pair {
	if q.id != "" {
		return pair{from: fromQuery, value: q.id}
	}
	if values := m.o.Codec.Values(r); len(values) == 1 && !q.conflict {
		return pair{from: fromCookie, value: values[0]}
	}
	return pair{}
}
