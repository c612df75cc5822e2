package websocket

import "time"

// A state is the state of a writer.
//
//	          finish                 run writes the frame        run returns
//	Open -------------> Closing ------------------------> Sent -------------> Closed
//	  |                    ^
//	  | finish, while a    | the answer is queued, five
//	  | message is handled | seconds passed, or leave
//	  +--------------> Answering
//
//	Open --Close without a close frame, leave--+
//	                                           v    run returns
//	any of them --a write fails-----------> Broken ------------> Gone
//
// A run that panics leads to Gone at once. Closed and Gone are final: nothing more is
// written. In Closed the client may still answer the close frame; then the reader closes
// the connection.
type state uint8

const (
	stateOpen      state = iota
	stateAnswering       // the link has ended; its close frame waits for the answer to a message
	stateClosing         // the link has ended; its close frame is to be written
	stateSent            // the close frame was written, or is being written
	stateBroken          // nothing can be written any more
	stateClosed
	stateGone
)

// isFinal reports whether the last run has ended.
func (s state) isFinal() bool { return s >= stateClosed }

// writes reports whether something may still be written.
func (s state) writes() bool { return s <= stateClosing }

// moveLocked sets the state and does what goes with it. Nothing else sets the state.
func (w *writer) moveLocked(to state) {
	w.state = to
	switch to {
	case stateAnswering:
		time.AfterFunc(closeWait, w.answered)
	case stateClosing:
		w.task.Schedule(w.work)
	case stateClosed:
		// A client whose connection ends before it has answered the close frame (RFC
		// 6455, 7.1.4) reports to its page that the end was not clean.
		_ = w.conn.SetReadDeadline(time.Now().Add(answerWait))
	}
	if to.isFinal() {
		w.replies, w.pong = nil, nil
		w.changed.Broadcast()
	}
}

// isOver reports whether the link has ended.
func (w *writer) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state != stateOpen
}

// readUntil sets the deadline for reading. It has no effect once the link has ended,
// which sets its own. The zero time means none.
func (w *writer) readUntil(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == stateOpen {
		_ = w.conn.SetReadDeadline(t)
	}
}
