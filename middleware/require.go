package middleware

import (
	"net/http"
	"slices"
	"strings"
)

// methods are those of transports.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodDelete}

// Require returns the identity of a request to a transport, or why it has none: the error
// is an *Error with the status to answer. It is stricter than FromContext, because a link
// changes things even when it is asked for by GET. It refuses what a page can make a
// browser load (images, frames, prefetches, navigations), and a cookie on a GET that a
// page of another origin may have made a browser send.
//
// The cookie that would be due is taken back from the header of w: the transport hands it
// out with Identity.Grant, once it has granted the link. It stays where a middleware
// between has a header of its own, as http.TimeoutHandler does.
//
//	410  the id was revoked; 503 if it has only just changed: come back
//	403  a foreign page, or a load or a GET of that kind
//	401  the link token is missing (DELETE) or no longer good: open a new link
//	405  HEAD and OPTIONS never begin anything
//	500  no middleware is mounted on this route, or Identify without Guard, and there is
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
		return Identity{}, &Error{Status: http.StatusInternalServerError, Reason: errUnguarded.Error()}
	}

	id := v.identity()
	if v.m != nil && v.m.o.Value != nil && slices.Contains(methods, r.Method) {
		id.Value = v.m.o.Value(r)
	}
	return id, nil
}

// isLoad reports whether the request is no fetch, EventSource or WebSocket of a page.
func isLoad(r *http.Request) bool {
	for _, dest := range r.Header["Sec-Fetch-Dest"] {
		if dest != "empty" && dest != "websocket" {
			return true
		}
	}
	return strings.Contains(strings.Join(r.Header["Sec-Purpose"], ","), "prefetch")
}

// isBareGET reports whether nothing in a GET says that our own page, or a program, sent
// it: a page of another port or of a sibling subdomain may have made the browser send it,
// with our cookie. Over plain http browsers leave out Sec-Fetch-Site, and Origin on a GET
// that is not CORS. What remains (docs/decisions.md has the table of what Chromium and
// Firefox send):
//
//   - Without CORS no page can set Mirage-Link, nor the headers of a WebSocket handshake.
//   - Any page can ask for an event stream, because scripts may choose Accept. But no
//     page can change the browser's User-Agent, or send a Referer of another origin than
//     its own. So a browser must send a Referer of ours; a program has another
//     User-Agent.
//   - What pages load without a script (images, frames, forms) never asks for an event
//     stream. So an image that somebody placed in a page of ours is refused, too.
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

// refererOrigin cuts the origin out of a Referer. Browsers write one with a slash behind
// the origin and without a user. url.Parse refuses paths that they allow.
func refererOrigin(referer string) string {
	scheme, rest, _ := strings.Cut(referer, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}
