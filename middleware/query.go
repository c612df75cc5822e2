package middleware

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mirage-go/mirage/internal/cid"
)

// A query holds the keys of the request's query that concern identity.
type query struct {
	id       string // of _mirage; "" if absent, empty, unreadable or given twice with different values
	asks     bool   // the key _mirage is there, even if empty: the client asks for its signed value
	conflict bool   // _mirage is unreadable or given twice with different values
	cid      string // of _cid, if valid
	was      string // of _was, if it may be an id: the last one that the client was told (I11)
	wait     bool   // the key _wait is there
}

// queryOf returns the query of a request. That of a navigation is empty: a hyperlink on a
// foreign page must not plant an id (I1).
func queryOf(r *http.Request) query {
	if isNavigation(r) {
		return query{}
	}
	return parseQuery(r.URL.RawQuery)
}

// parseQuery reads four keys in one pass. Unlike url.ParseQuery it builds no map, because
// it runs for every poll and POST.
func parseQuery(raw string) (q query) {
	cids := 0
	for len(raw) > 0 {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "_mirage":
			text, err := url.QueryUnescape(value)
			q.conflict = q.conflict || err != nil || q.asks && text != q.id
			q.id, q.asks = text, true
		case "_cid":
			if cids++; cids == 1 || value == q.cid {
				q.cid = value
			} else {
				q.cid = ""
			}
		case "_was":
			q.was = value
		case "_wait":
			q.wait = true
		}
	}

	// Contradictory and malformed values are treated as absent.
	if q.conflict {
		q.id = ""
	}
	if !cid.Valid(q.cid) {
		q.cid = ""
	}
	if !isID(q.was) {
		q.was = ""
	}

	return q
}

// own clones the strings, so that keeping one does not keep the whole request line in
// memory.
func (q *query) own() {
	q.cid, q.id, q.was = strings.Clone(q.cid), strings.Clone(q.id), strings.Clone(q.was)
}
