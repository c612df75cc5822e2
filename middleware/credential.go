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

// A credential is an id that came with a request and verified. The zero value is none.
type credential struct {
	id     string
	from   source
	issued time.Time // when it was signed
	renew  bool      // a new signature is due
	signed string    // the value as it would come in the query; "" for an unsigned id
}

// maxID is how many characters an id may have.
const maxID = 128

// unsigned reports whether Validate alone vouches for the id.
func (c credential) unsigned() bool { return c.from != nothing && c.signed == "" }

// find finds the id that came: of the query, else of the cookie, else none. A value that
// does not verify counts as absent and is counted: a forged or expired one must not lock
// its owner out (I2).
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

// isID tells whether s may be an id: 1 to 128 of [A-Za-z0-9._-] (I4).
func isID(s string) bool {
	return s != "" && len(s) <= maxID && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}
