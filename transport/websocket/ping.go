package websocket

import (
	"errors"
	"time"
)

// begun is the zero of a monotonic clock, which no change of the wall clock moves.
var begun = time.Now()

var errNoPong = errors.New("websocket: no answer to a ping")

// noteRead notes that bytes came from the client.
func (w *writer) noteRead() { w.lastRead.Store(int64(time.Since(begun))) }

// appendPingLocked appends a ping if the link had nothing to write for a while. It
// returns errNoPong if the last one was not answered. A busy link needs no pings: its
// client acknowledges, or the network's buffer fills.
func (w *writer) appendPingLocked(dst []byte) ([]byte, error) {
	now := time.Since(begun)
	idle := now-w.wrote > w.beat/4*3
	w.wrote = now
	if !idle || w.beat <= 0 {
		return dst, nil
	}
	if w.pinged != 0 && w.lastRead.Load() < int64(w.pinged) && !w.handling {
		return dst, errNoPong
	}
	w.pinged = now
	return append(dst, opPing, 0), nil
}

// replyPong answers a ping. If several wait, only the last one is answered.
func (w *writer) replyPong(payload []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(payload) <= maxControl && w.state.writes() {
		w.pong = append(append(w.pong[:0], opPong, byte(len(payload))), payload...)
		w.task.Schedule(w.work)
	}
}
