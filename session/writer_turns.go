package session

import (
	"context"
	"sync"
)

// turns lets one request of a writer in at a time.
type turns struct {
	mu   sync.Mutex
	held map[turnKey]*turn // nil while nobody waits for the end of it
}

type turnKey struct{ id, writer string }

// A turn is a writer's, which one of its requests has, and for which others wait.
type turn struct {
	over   chan struct{}
	failed []uint64 // numbers, once it is over
}

// take waits for the turn, and tells what failed in those that it has waited for.
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

// give ends the turn, and tells those who wait for it what failed.
func (t *turns) give(k turnKey, failed []uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if waited := t.held[k]; waited != nil {
		waited.failed = failed
		close(waited.over)
	}
	delete(t.held, k)
}
