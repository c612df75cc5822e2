package admission

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
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

// maxJoins is the longest text of _join and _from together, in bytes.
const maxJoins = 2 << 10

var errJoins = &middleware.Error{
	Status: http.StatusBadRequest,
	Reason: "_join names more than 64 topics, or is longer than 2 KiB together with _from: join fewer topics",
}

// Topics returns the topics that a GET joins: the names in _join, separated by commas.
// All of them begin at _from, "now" or "start".
func Topics(r *http.Request) ([]session.TopicRequest, error) {
	names, ok := Query(r, "_join")
	if !ok || names == "" {
		return nil, nil
	}
	from, _ := Query(r, "_from")
	if len(names)+len(from) > maxJoins || strings.Count(names, ",") >= session.MaxTopics {
		return nil, errJoins
	}

	var topics []session.TopicRequest
	for name := range strings.SplitSeq(names, ",") {
		topics = append(topics, session.TopicRequest{Topic: name, From: from})
	}
	return topics, nil
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
