package memory

import (
	"context"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// memWriter is the state of a client object that numbers upstream messages.
type memWriter struct {
	name  string
	last  uint64 // the last number accepted
	busy  uint64 // the number of the message that is being handled; 0 if none is
	again uint64 // the number whose turn ended with an earlier process; 0 if none did

	saved savedWriter
}

// savedWriter is what the journal has of a writer.
type savedWriter struct {
	known      bool
	last, busy uint64
}

func (l *memLog) writer(name string) int {
	return slices.IndexFunc(l.writers, func(w memWriter) bool { return w.name == name })
}

func (l *memLog) accepted(name string) uint64 {
	if i := l.writer(name); i >= 0 {
		return l.writers[i].last
	}
	return 0
}

// Begin implements Log. It ignores the lease: the handler of a message dies with the log.
func (h *memHandle) Begin(
	_ context.Context, ref store.LinkRef, writer string, base, n uint64, _ time.Duration,
) (store.Turn, uint64, error) {
	l, err := h.memLog, h.enterLink(ref)
	defer l.unlock()
	if err != nil {
		return store.TurnDone, 0, err
	}
	if n == 0 {
		return store.TurnDone, l.accepted(writer), nil
	}

	w := l.recall(writer, base)
	switch {
	case n <= w.last:
		return store.TurnDone, w.last, nil
	case n > w.last+1:
		return store.TurnEarly, w.last, nil
	case w.busy != 0:
		return store.TurnBusy, w.last, nil
	}

	turn := store.TurnDeliver
	if w.again == n {
		turn = store.TurnAgain
	}
	w.busy = n
	return turn, w.last, nil
}

// recall returns the writer, and makes it the most recent one. A writer that is not known
// begins at its base.
func (l *memLog) recall(name string, base uint64) *memWriter {
	last := len(l.writers) - 1
	switch i := l.writer(name); {
	case i >= 0:
		w := l.writers[i]
		w.last = max(w.last, base-1) // numbers below its base never come again
		copy(l.writers[i:], l.writers[i+1:])
		l.writers[last] = w
	default:
		if len(l.writers) >= l.bounds.MaxWriters {
			// Those whose message is being handled stay: its number is about to be
			// accepted.
			if i := slices.IndexFunc(l.writers, func(w memWriter) bool { return w.busy == 0 }); i >= 0 {
				l.writers = slices.Delete(l.writers, i, i+1)
			}
		}
		l.writers = append(l.writers, memWriter{name: name, last: base - 1})
		l.account()
	}

	return &l.writers[len(l.writers)-1]
}

// Commit implements Log.
func (h *memHandle) Commit(_ context.Context, writer string, n uint64, handled bool) error {
	l := h.memLog
	l.mu.Lock()
	defer l.unlock()
	if l.gone != nil {
		return l.gone
	}

	i := l.writer(writer)
	if i < 0 || l.writers[i].busy != n {
		return nil
	}

	w := &l.writers[i]
	w.busy = 0
	if handled {
		w.last, w.again = max(w.last, n), 0
	}
	return nil
}
