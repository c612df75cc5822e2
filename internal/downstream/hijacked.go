package downstream

import (
	"net"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/writers"
)

// Hijacked is the way out on HTTP/1.1 that costs least: the connection is taken over and
// the handler returns, so that net/http's goroutine, buffers and request go away. One
// goroutine stays, which waits for the client to hang up. The pool does the writing.
type Hijacked struct {
	task     writers.Task
	conn     net.Conn
	deadline Deadline
	onClose  func()
}

// Hijack takes the connection over after WriteHeader, so that net/http and every
// middleware have written their own head. onClose is called once, when the connection is
// closed from either side and nothing takes from the link any more. Each write must
// succeed within timeout, or half as long again.
func Hijack(pool *writers.Pool, w http.ResponseWriter, timeout time.Duration, onClose func()) (*Hijacked, error) {
	// Bytes that the client sent after its request belong to no request: this answer is
	// the connection's last.
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

// Unchunk asks net/http for a body without chunks, which ends with the connection: what
// follows the head is ours alone if it is hijacked, and costs less if it is not.
func Unchunk(h http.Header) { h["Transfer-Encoding"] = identity }

var identity = []string{"identity"} // never changed

// watch waits for the client to hang up. The client has nothing to send any more; one
// that sends more than 4 KiB is cut off.
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

// Close implements Out. It may be called from anywhere, and any number of times.
func (h *Hijacked) Close() {
	switch h.task.Stop() {
	case writers.Idle, writers.Queued:
		h.conn.Close()
		h.onClose()
	case writers.Running, writers.Rerun: // finished follows
		h.conn.Close()
	}
}

// finished is called after the last drain. stopped says that Close was called before.
func (h *Hijacked) finished(stopped bool) {
	if !stopped { // it panicked
		h.conn.Close()
	}
	h.onClose()
}
