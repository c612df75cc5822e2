package mirage

import (
	"io"
	"net/http"
)

// Healthy returns a handler for liveness probes. It answers 200 while the process can
// answer, also during Shutdown. It asks no store: if it did, an outage of Redis would
// make an orchestrator restart every node. Mount it outside of Identify and Guard.
func (l *Live) Healthy() http.Handler {
	return probe(func() (status int, text string) { return http.StatusOK, "ok" })
}

// Ready returns a handler for readiness probes, by which a load balancer decides whether
// this process gets new clients. It answers 200, and 503 once Shutdown has begun or
// SetReady(false) was called. Mount it outside of Identify and Guard.
func (l *Live) Ready() http.Handler {
	return probe(func() (status int, text string) {
		switch {
		case l.sessions.Draining():
			return http.StatusServiceUnavailable, "draining"
		case l.unready.Load():
			return http.StatusServiceUnavailable, "not ready"
		}
		return http.StatusOK, "ready"
	})
}

// SetReady makes Ready answer 503 if ready is false, and 200 again if it is true. Nothing
// else changes: the Live goes on to serve whoever comes. Before Shutdown, it gives load
// balancers time to send new clients elsewhere.
func (l *Live) SetReady(ready bool) { l.unready.Store(!ready) }

// probe returns a handler that answers GET and HEAD with what state returns.
func probe(state func() (status int, text string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "mirage: a probe is a GET", http.StatusMethodNotAllowed)
			return
		}
		status, text := state()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		io.WriteString(w, text+"\n")
	})
}
