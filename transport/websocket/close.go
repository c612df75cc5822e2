package websocket

import (
	"io"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/session"
)

// serviceRestart is the close code of links whose clients are to come back.
const serviceRestart = 1012

const (
	closeWait  = 5 * time.Second // that a client has for leaving, in all
	answerWait = 2 * time.Second // of which it has this for its close frame
	maxLinger  = 1 << 20         // bytes that are read from a client that is to leave
)

// closeOf returns the close frame after a link that ended so. code is 0 if the client
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

// finish ends the link with a close frame of that code, after what is being written, and
// after the answer to what is being handled if the client is to come back. Only the first
// end counts. A code of 0 is a close frame without one.
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

// leave ends the link because reading has: the client is gone, or has said goodbye, or
// must not send any more. A close frame that is on its way is written first, and a client
// that has not said goodbye gets time to read it. Nobody may read after leave.
func (w *writer) leave(goodbye bool) {
	w.mu.Lock()
	switch w.state {
	case stateOpen, stateBroken:
		w.moveLocked(stateBroken)
		w.conn.Close() // what is being written has no reader
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

// linger gives a client that has not said goodbye time to read the close frame: a
// connection that is closed with bytes unread is reset, and the reset may overtake the
// frame.
func (w *writer) linger() {
	c, ok := w.conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		return
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(closeWait - answerWait))
	_, _ = io.CopyN(io.Discard, w.conn, maxLinger)
}
