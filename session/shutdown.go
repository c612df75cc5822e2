package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// Shutdown ends the Manager. It accepts no new links, and tells the clients of the others
// to reconnect, each after a random delay of at most ten seconds. It returns when every
// link has ended and every callback has returned. If ctx ends first, Shutdown cancels the
// context of the callbacks and returns ctx's error. A second call waits as well.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed.Store(true)
	m.mu.Unlock()

	all := m.local.links()
	spread := min(10*time.Second, max(250*time.Millisecond, time.Duration(len(all))*2*time.Millisecond))
	for _, l := range all {
		l.Drain(rand.N(spread))
	}
	m.clock.stop()

	done := make(chan struct{})
	go func() { m.work.Wait(); close(done) }()
	defer m.cancel()
	select {
	case <-done:
		m.hubs.close(ctx)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enter reports whether Shutdown has not begun. If so, Shutdown waits until the caller
// calls work.Done.
func (m *Manager) enter() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed.Load() {
		return false
	}
	m.work.Add(1)
	return true
}

// isOpen reports whether Shutdown has not begun.
func (m *Manager) isOpen() bool { return !m.closed.Load() }

// spawn runs f on a goroutine that Shutdown waits for. It does nothing once Shutdown has
// begun.
func (m *Manager) spawn(f func()) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if !m.closed.Load() {
		m.work.Go(f)
	}
}
