package websocket

const (
	maxReplies  = 4 << 10 // bytes of replies that may wait
	keepReplies = 128     // bytes that an idle link keeps for the next one
)

// reply lets blocks go out soon, after those that the link has. It waits while the client
// does not read earlier replies.
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

// setHandling notes whether a message of the client is being handled. Nobody may read
// from the client meanwhile, so that its silence means nothing, and a link that ends so
// that its client comes back gives the answer some time.
func (w *writer) setHandling(handling bool) {
	w.noteRead()
	w.mu.Lock()
	w.handling = handling
	w.mu.Unlock()
	if !handling {
		w.answered()
	}
}

// answered lets a close frame wait no longer for the answer to a message.
func (w *writer) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == stateAnswering {
		w.moveLocked(stateClosing)
	}
}
