package websocket

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/buffers"
	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
)

// A writer writes to the client of a link: it is the server's half of RFC 6455. Each
// write is one text frame or more; replies to the client, pings, pongs and the close
// frame go along with it. The reader is another goroutine, which closes the connection by
// leave.
type writer struct {
	task       writers.Task
	work       func() // the method value run, allocated once
	conn       net.Conn
	beat       time.Duration
	closeFrame func() (code int, reason string)
	onClose    func()

	lastRead atomic.Int64 // when bytes last came from the client, since begun

	// Owned by run.
	deadline downstream.Deadline
	wrote    time.Duration // when the last text frame was written, since begun
	pinged   time.Duration // when the last ping was sent, since begun; 0 if none was
	greeted  bool          // hello has been written

	mu       sync.Mutex
	changed  sync.Cond // replies were written, or the state has become final
	state    state
	handling bool // a message of the client is being handled
	drain    func()
	replies  []byte // blocks that are written with the next frame
	pong     []byte // a pong frame that is to be written
	last     []byte // the close frame, until it is written
}

// newWriter returns a writer to conn. Each write must succeed within timeout, or half as
// long again. A client that was silent for about two beats, and has not answered a ping,
// is gone; a beat that is not positive disables pings. closeFrame returns the close frame
// of a link that Close ends. onClose is called once, when nothing more will be written
// and nothing takes from the link any more.
func newWriter(pool *writers.Pool, conn net.Conn, timeout, beat time.Duration,
	closeFrame func() (code int, reason string), onClose func()) *writer {

	w := &writer{
		conn: conn, deadline: downstream.NewDeadline(timeout), beat: beat, closeFrame: closeFrame, onClose: onClose,
		wrote: time.Since(begun),
	}
	w.changed.L = &w.mu
	w.noteRead()
	w.work = w.run
	w.task.Init(pool, func(bool) { w.end(true) })
	return w
}

// Schedule implements downstream.Out.
func (w *writer) Schedule(drain func()) {
	w.mu.Lock()
	w.drain = drain
	w.mu.Unlock()
	w.task.Schedule(w.work)
}

// run runs drain, and then writes what else waits.
func (w *writer) run() {
	drain, ended := w.begin()
	if ended {
		return
	}
	if drain != nil {
		drain()
	}
	_ = w.Write(nil)
	w.end(false)
}

// begin returns the function that run calls first: drain while the link is open,
// otherwise nil.
func (w *writer) begin() (drain func(), ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == stateOpen {
		return w.drain, false
	}
	return nil, w.state.isFinal()
}

// end is called after each run. If that was the last one, the link moves to its final
// state.
func (w *writer) end(panicked bool) {
	w.mu.Lock()
	before := w.state
	switch {
	case before.isFinal():
	case panicked, before == stateBroken:
		w.moveLocked(stateGone)
	case before == stateSent:
		w.moveLocked(stateClosed)
	}
	after := w.state
	w.mu.Unlock()

	if after == before {
		return
	}
	if after == stateGone {
		w.conn.Close()
	}
	w.onClose()
}

// memory pools the buffers of reads and writes. Idle links hold none.
var memory buffers.Pool[[]byte]

// Write implements downstream.Out. b consists of whole blocks. Replies, pong and close
// frame are added, and all of it is one write.
func (w *writer) Write(b []byte) error {
	buf := memory.Get()
	defer func() { memory.Put(buf, cap(*buf)) }()
	out, err := w.frames((*buf)[:0], b)
	*buf = out
	if err != nil || len(out) == 0 {
		return err
	}

	w.deadline.Extend(w.conn)
	if _, err = w.conn.Write(out); err != nil {
		w.mu.Lock()
		w.moveLocked(stateBroken)
		w.mu.Unlock()
	}
	return err
}
