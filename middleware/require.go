package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// methods are the methods that transports serve.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodDelete}

// Require returns the identity of a request to a transport. If there is none, the error
// is an *Error with the status to answer with. Require is stricter than FromContext,
// because a link has side effects even though it begins with a GET. It refuses whatever a
// browser does not send for a fetch, EventSource or WebSocket (images, frames,
// prefetches, navigations). It also refuses a GET with a cookie if a page of another
// origin may have caused it.
//
// Require removes a cookie that is due from the header of w. The transport sets it with
// Identity.Grant once it has granted the link. The cookie stays if a middleware in
// between has a separate header, as http.TimeoutHandler does.
//
//	410  the id was revoked; 503 if it has only just changed: retry
//	403  a foreign page, or one of the refused kinds of requests
//	401  the link token is missing (DELETE) or no longer valid: open a new link
//	405  HEAD and OPTIONS never begin anything
//	500  no middleware is mounted on this route, or Identify without Guard if there is
//	     a Validate to ask
func Require(w http.ResponseWriter, r *http.Request) (Identity, error) {
	v := visitOf(r.Context())
	if v == nil {
		return Identity{}, errMount
	}

	v.withdraw(w.Header())
	switch {
	case v.state == refused, v.state == barred:
		return Identity{}, v.refusal
	case isLoad(r):
		return Identity{}, errLoad
	case v.from == fromCookie && v.m.isBareGET(r):
		return Identity{}, errBareGET
	case r.Method == http.MethodDelete && v.state != linked:
		return Identity{}, errToken
	case v.unguarded():
		return Identity{}, &Error{Status: http.StatusInternalServerError, code: "miswired",
			Reason: errUnguarded.Error()}
	}

	id := v.identity()
	if v.m != nil && v.m.o.Value != nil && slices.Contains(methods, r.Method) {
		id.Value = v.m.o.Value(r)
	}
	return id, nil
}

// isLoad reports whether the request is something else than a fetch, EventSource or
// WebSocket of a page.
func isLoad(r *http.Request) bool {
	for _, dest := range r.Header["Sec-Fetch-Dest"] {
		if dest != "empty" && dest != "websocket" {
			return true
		}
	}
	return strings.Contains(strings.Join(r.Header["Sec-Purpose"], ","), "prefetch")
}

// isBareGET reports whether a GET has nothing that shows that our own page, or a program,
// sent it. A page on another port or a sibling subdomain may have made the browser send
// it, with our cookie. Over plain http browsers omit Sec-Fetch-Site, and also Origin on a
// GET without CORS. These signs remain (docs/decisions.md has a table of the headers that
// Chromium and Firefox send):
//
//   - Without CORS no page can set Mirage-Link or the headers of a WebSocket handshake.
//   - Any page can ask for an event stream, because scripts may set Accept. But no page
//     can change the browser's User-Agent, or send a Referer of an origin other than its
//     own. So a browser must send a Referer of ours. A program has another User-Agent.
//   - Requests without a script (images, frames, forms) never ask for an event stream. So
//     an image that somebody placed in a page of ours is refused, too.
func (m *Middleware) isBareGET(r *http.Request) bool {
	h := r.Header
	switch {
	case r.Method != http.MethodGet, len(h["Sec-Fetch-Site"]) > 0, len(h["Origin"]) > 0:
		return false
	case h.Get("Mirage-Link") != "", h.Get("Sec-WebSocket-Key") != "":
		return false
	case !strings.Contains(strings.Join(h["Accept"], ","), "text/event-stream"):
		return true
	}
	return strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") && !m.isOwn(r, refererOrigin(h.Get("Referer")))
}

// refererOrigin returns the origin of a Referer. Browsers write a slash after the origin,
// and no user. It does not use url.Parse, which refuses some paths that browsers allow.
func refererOrigin(referer string) string {
	scheme, rest, _ := strings.Cut(referer, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
