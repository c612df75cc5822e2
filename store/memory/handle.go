package memory

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// memHandle is a log as Open returned it: under an id, which the log may no longer
// have. A log has one handle at a time. After a Move it is another one, and the old
// one is refused.
type memHandle struct {
	*memLog
	as *openedAs // apart, because no message needs it
}

// openedAs says how a log was opened.
type openedAs struct {
	id    string
	moves uint64
	any   bool // for Logs: it counts under whatever id
}

// ID implements Log.
func (h *memHandle) ID() string {
	if !h.as.any {
		return h.as.id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handle.as.id
}

// Handle implements Log.
func (h *memHandle) Handle() store.Handle { return store.Handle{Epoch: h.epoch, Moves: h.as.moves} }

// enter locks the log for a step, which is refused with an error if it is not for this
// handle any more. The caller unlocks it in either case.
func (h *memHandle) enter() error {
	h.mu.Lock()
	if h.handle != h && !h.as.any {
		return store.ErrMoved
	}
	return h.gone
}

// enterLink is enter for what a client does on a link that it has.
func (h *memHandle) enterLink(ref store.LinkRef) error {
	if err := h.enter(); err != nil {
		return err
	}
	switch {
	case ref.Number == 0: // the application's own word
		return nil
	case ref.Number <= h.first || ref.Number > h.number: // of another log
		return store.ErrNotFound
	case ref.Number <= h.renewed:
		return store.ErrRenewed
	}
	return nil
}

// Watch implements Log.
func (h *memHandle) Watch(wake func()) (stop func()) { return h.watched(wake) }

// Append implements Log.
func (h *memHandle) Append(_ context.Context, m *store.Message, reader string) (store.Position, error) {
	var p store.Position
	err := h.enter()
	if err == nil && !(h.as.any && h.came(m)) {
		p, err = h.append(m, reader, h.store.tick())
	}
	wake := err == nil && h.needsWake()
	h.mu.Unlock()
	if wake {
		h.wake()
	}
	return p, err
}
