package websocket

import (
	"io"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/session"
)

// serviceRestart is the close code of links whose clients shall reconnect.
const serviceRestart = 1012

const (
	closeWait  = 5 * time.Second // how long a client has to close the connection, in all
	answerWait = 2 * time.Second // how much of that it has to answer the close frame
	maxLinger  = 1 << 20         // how many bytes are read from a client after the close frame
)

// closeOf returns the close frame for a link with that end. code is 0 if the client
// cannot be reached.
func closeOf(end session.End) (code int, reason string) {
	switch end {
	case "":
		return 0, ""
	case session.EndSuperseded:
		return 1000, "the client is on a newer link"
	case session.EndSilent:
		return 4000 + http.StatusRequestTimeout, "nothing was acknowledged in time"
	case session.EndOver:
		return 4000 + http.StatusGone, "the session was ended"
	case session.EndBarred:
		return 4000 + http.StatusGone, "the id was revoked"
	}
	return serviceRestart, "come back"
}

// finish ends the link with a close frame of that code. The frame is written after the
// present write and, if the client shall reconnect, after the answer to the message that
// is being handled. Only the first call has an effect. A code of 0 sends a close frame
// without one.
func (w *writer) finish(code int, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != stateOpen {
		return
	}
	w.last = refuse.AppendClose(nil, code, reason)
	if w.handling && code == serviceRestart {
		w.moveLocked(stateAnswering)
	} else {
		w.moveLocked(stateClosing)
	}
}

// Close implements downstream.Out.
func (w *writer) Close() {
	if code, reason := w.closeFrame(); code != 0 {
		w.finish(code, reason)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == stateOpen {
		w.moveLocked(stateBroken)
	}
}

// leave ends the link because reading has ended: the client is gone, has said goodbye, or
// must not send any more. A pending close frame is written first, and a client that has
// not said goodbye gets time to read it. Nobody may read after leave.
func (w *writer) leave(goodbye bool) {
	w.mu.Lock()
	switch w.state {
	case stateOpen, stateBroken:
		w.moveLocked(stateBroken)
		w.conn.Close() // unblocks a write that the client does not read
	case stateAnswering:
		w.moveLocked(stateClosing)
	}
	w.task.Schedule(w.work)
	for !w.state.isFinal() {
		w.changed.Wait()
	}
	lingers := w.state == stateClosed && !goodbye
	w.mu.Unlock()

	if lingers {
		w.linger()
	}
	w.conn.Close()
}

// linger gives a client that has not said goodbye time to read the close frame. Closing a
// connection with unread bytes resets it, and the reset may overtake the frame.
func (w *writer) linger() {
	c, ok := w.conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		return
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(closeWait - answerWait))
	_, _ = io.CopyN(io.Discard, w.conn, maxLinger)
}
