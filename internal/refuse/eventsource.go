package refuse

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// isEventSource reports whether the request is from a plain EventSource, which
// understands only an event stream. Our own clients send _cid and read statuses.
func isEventSource(r *http.Request) bool {
	return r.Method == http.MethodGet && !hasClientID(r.URL) &&
		strings.Contains(strings.Join(r.Header["Accept"], ","), "text/event-stream")
}

func hasClientID(u *url.URL) bool {
	return strings.Contains(u.RawQuery, "_cid=") && u.Query().Get("_cid") != ""
}

// endEventStream tells an EventSource when to reconnect, in the only way that it
// understands. If retryAfter is 0, it is between three and five seconds at random,
// because an EventSource has no backoff or jitter of its own.
func endEventStream(w http.ResponseWriter, retryAfter time.Duration) {
	if retryAfter <= 0 {
		retryAfter = 3*time.Second + rand.N(2*time.Second)
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, "retry: "+strconv.FormatInt(max(retryAfter.Milliseconds(), 1), 10)+"\n\n")
}
