package downstream

import (
	"net"
	"net/http"
	"time"
)

// Hijacked is the way out on HTTP/1.1 that costs least: the connection is taken over and the handler returns, so that net/http's goroutine, buffers and
// request go away. What stays is a goroutine that waits for the client to hang up; what there is to write is written by Writers.
type Hijacked struct {
	Kicks
	conn    net.Conn
	timeout time.Duration
	armed   time.Duration // when, since begun; 0 never
	closed  func()
}

var begun = time.Now()

// Unchunk asks net/http for a body without chunks, which ends with the connection: what follows the head is ours alone if it is hijacked, and
// costs less if it is not.
func Unchunk(h http.Header) { h["Transfer-Encoding"] = identity }

// Hijack takes the connection over after WriteHeader, so that net/http and every
// middleware have written their own head. closed is called once, when the connection is
// closed from either side and nothing takes from the link any more. Each write must
// succeed within timeout, or half as long again.
func (ws *Writers) Hijack(w http.ResponseWriter, timeout time.Duration, closed func()) (*Hijacked, error) {
	// Bytes that the client sent after its request are of no request: this answer is the connection's last.
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{}) // of the server's ReadTimeout and WriteTimeout
	h := &Hijacked{conn: conn, timeout: timeout, closed: closed}
	h.writers, h.stopped = ws, h.finish
	go h.watch()
	return h, nil
}

// watch waits for the client to hang up. It has nothing to say any more; who talks on is cut off.
func (h *Hijacked) watch() {
	defer h.Close()
	var b [16]byte
	for range 256 {
		if _, err := h.conn.Read(b[:]); err != nil {
			return
		}
	}
}

// Write implements Out.
func (h *Hijacked) Write(b []byte) error {
	if now := time.Since(begun); h.armed == 0 || now-h.armed > h.timeout/2 {
		_ = h.conn.SetWriteDeadline(time.Now().Add(h.timeout + h.timeout/2))
		h.armed = now
	}
	_, err := h.conn.Write(b)
	return err
}

// Close implements Out. It may be called from anywhere, and any number of times.
func (h *Hijacked) Close() {
	switch h.stop() {
	case calm, waiting:
		h.conn.Close()
		h.closed()
	case running, again: // finish follows
		h.conn.Close()
	}
}

// finish is called when the last drain has returned or panicked.
func (h *Hijacked) finish() {
	if h.stop() != over {
		h.conn.Close()
	}
	h.closed()
}
