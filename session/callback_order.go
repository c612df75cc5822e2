package session

import "sync"

// serial runs functions one at a time in the order of their calls, on the goroutine of
// one of the callers, and without a lock held.
type serial struct {
	mu      sync.Mutex
	queue   []func()
	running bool
}

// do returns when f has run.
func (s *serial) do(f func()) {
	done := make(chan struct{})
	s.mu.Lock()
	s.queue = append(s.queue, func() { defer close(done); f() })

	if s.running {
		s.mu.Unlock()
		<-done
		return
	}

	// Whoever finds nobody running runs the queue, with what others add to it.
	s.running = true
	for len(s.queue) > 0 {
		next := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		next()
		s.mu.Lock()
	}
	s.running, s.queue = false, nil
	s.mu.Unlock()
}
