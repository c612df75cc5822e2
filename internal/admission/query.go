package admission

import (
	"net/http"
	"net/url"
	"strings"
)

// Position returns the position that the client presents. It is the first one present of
// the header Last-Event-ID, which browsers send on their own, the query's lastEventId,
// which polyfills that cannot set headers send instead, and the query's _pos.
func Position(r *http.Request) string {
	if ids := r.Header["Last-Event-Id"]; len(ids) > 0 && ids[0] != "" {
		return ids[0]
	}
	if id, _ := Query(r, "lastEventId"); id != "" {
		return id
	}
	pos, _ := Query(r, "_pos")
	return pos
}

// Query returns the first value of a parameter of the request's query, without building a
// map of all. A value that is not escaped correctly is returned unchanged: its parser
// refuses it.
func Query(r *http.Request, key string) (value string, ok bool) {
	for raw := r.URL.RawQuery; raw != ""; {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if k, v, _ := strings.Cut(pair, "="); k == key {
			if text, err := url.QueryUnescape(v); err == nil {
				return text, true
			}
			return v, true
		}
	}
	return "", false
}
