package middleware

import (
	"net/http"
	"strings"
	"time"

	"github.com/mirage-go/mirage/cookie"
)

type source int

const (
	nothing source = iota
	fromQuery
	fromCookie
)

// A credential is an id that a request presented and that verified. The zero value means
// none.
type credential struct {
	id     string
	from   source
	issued time.Time // when it was signed
	renew  bool      // a new signature is due
	signed string    // the value as written in the query; "" for an unsigned id
}

// maxID is the maximum length of an id in characters.
const maxID = 128

// unsigned reports whether the id is unsigned, so that only Validate can vouch for it.
func (c credential) unsigned() bool { return c.from != nothing && c.signed == "" }

// find returns the id that the request presents: that of the query, otherwise that of the
// cookie, otherwise none. A value that does not verify is treated as absent and reported
// to Count: a forged or expired one must not lock its owner out (I2).
func (m *Middleware) find(r *http.Request, q query, came time.Time) credential {
	if p, ok := m.findInQuery(q, came); ok {
		return p
	}
	if p, ok := m.o.Codec.Read(r); ok && isID(p.ID) {
		return credential{id: p.ID, from: fromCookie, issued: p.Signed, renew: p.Renew, signed: "~" + p.Value}
	}
	if len(m.o.Codec.Values(r)) > 0 {
		m.o.Count("invalid-cookie")
	}
	return credential{}
}

func (m *Middleware) findInQuery(q query, came time.Time) (credential, bool) {
	if q.id == "" && !q.conflict {
		return credential{}, false
	}

	signed, isSigned := strings.CutPrefix(q.id, "~")
	if isSigned {
		if id, issued, err := m.o.Codec.Verify(cookie.ID, signed); err == nil && isID(id) {
			return credential{
				id:     id,
				from:   fromQuery,
				issued: issued,
				renew:  m.o.Codec.Stale(issued),
				signed: q.id,
			}, true
		}
	} else if m.o.AcceptUnsigned && isID(q.id) {
		return credential{id: q.id, from: fromQuery, issued: came, renew: true}, true // Validate vouches for it, now
	}

	m.o.Count("invalid-query")
	return credential{}, false
}

// isID reports whether s may be an id: 1 to 128 characters of [A-Za-z0-9._-] (I4).
func isID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}
