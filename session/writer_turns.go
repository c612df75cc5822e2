package session

import (
	"context"
	"sync"
)

// turns admits one request of each writer at a time.
type turns struct {
	mu   sync.Mutex
	held map[turnKey]*turn // the turn is nil while nobody waits for it
}

type turnKey struct{ id, writer string }

// A turn is held by one request of a writer, while others wait for it.
type turn struct {
	over   chan struct{}
	failed []uint64 // numbers whose handler failed; set before over is closed
}

// take waits for the turn, and returns the numbers that failed in those it waited for.
func (t *turns) take(ctx context.Context, k turnKey) (failed []uint64, err error) {
	for {
		t.mu.Lock()
		other, held := t.held[k]
		if !held {
			t.held[k] = nil
			t.mu.Unlock()
			return failed, nil
		}
		if other == nil {
			other = &turn{over: make(chan struct{})}
			t.held[k] = other
		}
		t.mu.Unlock()

		select {
		case <-other.over:
			failed = append(failed, other.failed...)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// give ends the turn, and passes the numbers that failed to the requests that wait.
func (t *turns) give(k turnKey, failed []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waited := t.held[k]; waited != nil {
		waited.failed = failed
		close(waited.over)
	}
	delete(t.held, k)
}
