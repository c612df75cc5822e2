package middleware

import (
	"net/http"
	"strings"
)

// Require returns the identity of a request to a transport, or why it has none: the error is an *Error with the status to answer. It is
// stricter than FromContext, because a link changes things even when it is asked for by GET: it refuses what a page can make a browser
// load (images, frames, prefetches, navigations), and a cookie on a GET of which nothing says that it is not such a load.
//
// The cookie that would be due is taken back: the transport hands it out with Identity.Grant, once
// it has granted the link.
//
//	410  the id was revoked; 503 if it has only just changed: come back
//	403  a foreign page, or a load of that kind
//	401  the link token is missing (DELETE) or no longer good: open a new link
//	405  HEAD and OPTIONS never begin anything
//	500  the middleware is not mounted on this route
func Require(r *http.Request) (Identity, error) {
	v := visitOf(r.Context())
	if v != nil && v.cookie != "" {
		v.m.Codec.Withdraw(v.header) // until Grant
	}
	switch {
	case v == nil:
		return Identity{}, errMount
	case v.refusal != nil:
		return Identity{}, v.refusal
	case v.barred != nil:
		return Identity{}, v.barred
	case isLoad(r), v.from == fromCookie && isBareGET(r):
		return Identity{}, errLoad
	case r.Method == http.MethodDelete && !v.linked:
		return Identity{}, errToken
	}
	return v.identity(), nil
}

// isLoad tells a request that is no fetch, EventSource or WebSocket of a page.
func isLoad(r *http.Request) bool {
	for _, dest := range r.Header["Sec-Fetch-Dest"] {
		if dest != "empty" && dest != "websocket" {
			return true
		}
	}
	return strings.Contains(strings.Join(r.Header["Sec-Purpose"], ","), "prefetch")
}

// isBareGET tells a GET that a foreign page could make a browser send on plain http, where nothing says who asks: an image, say. What
// a page cannot send so: an Accept for event streams, our own header, a WebSocket handshake (without Origin).
func isBareGET(r *http.Request) bool {
	h := r.Header
	return r.Method == http.MethodGet && len(h["Sec-Fetch-Site"]) == 0 && len(h["Origin"]) == 0 &&
		!strings.Contains(strings.Join(h["Accept"], ","), "text/event-stream") &&
		h.Get("Mirage-Link") == "" && h.Get("Sec-WebSocket-Key") == ""
}
