package memory

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// memHandle is a log as Open returned it, under an id that the log may no longer have. A
// log has one handle at a time. A Move replaces it, and the old one is refused.
type memHandle struct {
	*memLog
	as *openedAs // separate, because no message needs it
}

// openedAs describes how a log was opened.
type openedAs struct {
	id    string
	moves uint64
	any   bool // for Logs: it is valid under any id
}

// ID implements Log.
func (h *memHandle) ID() string {
	if !h.as.any {
		return h.as.id
	}
	h.mu.Lock()
	defer h.unlock()
	return h.handle.as.id
}

// Handle implements Log.
func (h *memHandle) Handle() store.Handle { return store.Handle{Epoch: h.epoch, Moves: h.as.moves} }

// enter locks the log for a step. The error refuses the step if the log has ended, or no
// longer belongs to this handle. The caller unlocks the log in either case.
func (h *memHandle) enter() error {
	h.mu.Lock()
	if h.handle != h && !h.as.any {
		return store.ErrMoved
	}
	if h.sparse != nil {
		h.dropExpired()
	}
	return h.gone
}

// enterLink is enter for a step that a client takes on its link.
func (h *memHandle) enterLink(ref store.LinkRef) error {
	if err := h.enter(); err != nil {
		return err
	}
	switch {
	case ref.Number == 0: // the application itself
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
	h.unlock()
	if wake {
		h.wake()
	}
	return p, err
}
