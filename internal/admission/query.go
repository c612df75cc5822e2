package admission

import (
	"net/http"
	"net/url"
	"strings"
)

// Position returns the position that the client presents: Last-Event-ID, which a browser
// sends by itself, before the query's lastEventId, which polyfills that may set no header
// send for it, before the query's _pos.
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

// Query returns a parameter of the request's query without building a map of all; the
// first one counts. A text that is not well escaped is returned as it is: its reader
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
