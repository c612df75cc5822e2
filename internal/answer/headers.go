package answer

import "net/http"

// Shared and never changed: net/http only reads them.
var (
	eventStream = []string{"text/event-stream; charset=utf-8"}
	jsonType    = []string{"application/json"}
	noStore     = []string{"no-store"}
	unchanged   = []string{"no-store, no-transform"}
	no          = []string{"no"}
	yes         = []string{"?1"}
	nosniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"}
)

// SetEventStream sets the headers of a response of event blocks that proxies and caches
// must not store, change or buffer. Incremental is RFC 10036.
func SetEventStream(h http.Header) {
	h["Content-Type"] = eventStream
	h["Cache-Control"] = unchanged // a compressor would buffer blocks
	h["X-Accel-Buffering"] = no
	h["Incremental"] = yes
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
}

// SetJSON sets the headers of a JSON response. It is sent as a whole, so it may be
// compressed.
func SetJSON(h http.Header) {
	h["Content-Type"] = jsonType
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = nosniff
}
