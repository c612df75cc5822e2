package middleware

import "net/http"

// allow writes the CORS headers for a page of an allowed origin. It uses Set, not Add,
// because an outer CORS middleware may have written the same headers.
func allow(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	h.Set("Access-Control-Allow-Credentials", "true")
	if !isPreflight(r) {
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
	h.Set("Access-Control-Allow-Headers", "Mirage-Link, Content-Type, Authorization, Last-Event-ID")
	h.Set("Access-Control-Max-Age", "7200") // what Chromium caps it at
}

// disallow removes the headers that allow wrote, except those of a preflight.
func disallow(h http.Header) {
	h.Del("Access-Control-Allow-Origin")
	h.Del("Access-Control-Allow-Credentials")
	h.Del("Access-Control-Expose-Headers")
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
