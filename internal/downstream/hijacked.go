package downstream

import (
	"net"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/writers"
)

// Hijacked is the cheapest Out on HTTP/1.1: the connection is hijacked and the handler
// returns, so that net/http's goroutine, buffers and request are freed. One goroutine
// stays and waits for the client to disconnect. The pool does the writing.
type Hijacked struct {
	task     writers.Task
	conn     net.Conn
	deadline Deadline
	onClose  func()
}

// Hijack takes over the connection after WriteHeader, so that net/http and every
// middleware have written their headers. onClose is called once, when the connection has
// been closed by either side and no drain runs any more. Each write must succeed within
// timeout, or up to half as long again.
func Hijack(pool *writers.Pool, w http.ResponseWriter, timeout time.Duration, onClose func()) (*Hijacked, error) {
	// Bytes that the client sent after its request are dropped: this response is the last
	// one of the connection.
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{}) // of the server's ReadTimeout and WriteTimeout
	h := &Hijacked{conn: conn, deadline: NewDeadline(timeout), onClose: onClose}
	h.task.Init(pool, h.finished)
	go h.watch()
	return h, nil
}

// Unchunk asks net/http for a body without chunks, which ends with the connection. If the
// connection is hijacked, we write the body unframed. If not, such a body costs less.
func Unchunk(h http.Header) { h["Transfer-Encoding"] = identity }

var identity = []string{"identity"} // never changed

// watch waits for the client to disconnect. The client has nothing more to send; if it
// sends more than 4 KiB, the connection is closed.
func (h *Hijacked) watch() {
	defer h.Close()
	var b [16]byte
	for range 256 {
		if _, err := h.conn.Read(b[:]); err != nil {
			return
		}
	}
}

// Schedule implements Out.
func (h *Hijacked) Schedule(drain func()) { h.task.Schedule(drain) }

// Write implements Out.
func (h *Hijacked) Write(b []byte) error {
	h.deadline.Extend(h.conn)
	_, err := h.conn.Write(b)
	return err
}

// Close implements Out. It may be called from any goroutine and any number of times.
func (h *Hijacked) Close() {
	switch h.task.Stop() {
	case writers.Idle, writers.Queued:
		h.conn.Close()
		h.onClose()
	case writers.Running, writers.Rerun: // finished will be called
		h.conn.Close()
	}
}

// finished is called after the last drain. stopped reports whether Close was called
// before.
func (h *Hijacked) finished(stopped bool) {
	if !stopped { // it panicked
		h.conn.Close()
	}
	h.onClose()
}
