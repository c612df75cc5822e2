package middleware

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mirage-go/mirage/internal/cid"
)

// A query is what of the request's query concerns identity.
type query struct {
	id       string // of _mirage; "" if absent, empty, unreadable or given twice with different values
	asks     bool   // the key _mirage is there, be it empty: the client wants to know its signed value
	conflict bool   // _mirage is unreadable or given twice with different values
	cid      string // of _cid, if it is one
	was      string // of _was, if it may be an id: the one that the client was told last (I11)
	wait     bool   // the key _wait is there
}

// queryOf is the query of a request, but of a navigation: a link on a foreign page must
// not plant an id (I1).
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

	// What contradicts itself or is malformed counts as absent.
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

// own gives the texts memory of their own: what is kept of them must not keep the whole
// request line.
func (q *query) own() {
	q.cid, q.id, q.was = strings.Clone(q.cid), strings.Clone(q.id), strings.Clone(q.was)
}
