package websocket

const (
	maxReplies  = 4 << 10 // how many bytes of replies may wait before reply blocks
	keepReplies = 128     // the largest buffer that an idle link keeps, in bytes
)

// reply enqueues blocks to be written soon, after those that the link has. It blocks
// while too many earlier replies wait for the client to read.
func (w *writer) reply(blocks []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.replies) > maxReplies && w.state == stateOpen {
		w.changed.Wait()
	}
	if w.state == stateOpen || w.state == stateAnswering {
		w.replies = append(w.replies, blocks...)
		w.task.Schedule(w.work)
	}
}

// setHandling notes whether a message of the client is being handled. Reading may
// pause meanwhile, so the client's silence means nothing. A link whose client shall
// reconnect waits some time for the answer before its close frame.
func (w *writer) setHandling(handling bool) {
	w.noteRead()
	w.mu.Lock()
	w.handling = handling
	w.mu.Unlock()
	if !handling {
		w.answered()
	}
}

// answered lets the close frame no longer wait for the answer to a message.
func (w *writer) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == stateAnswering {
		w.moveLocked(stateClosing)
	}
}
