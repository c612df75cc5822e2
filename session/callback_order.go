package session

import "sync"

// serial runs functions one at a time in the order of their calls, on the goroutine of
// one of the callers, and without a lock held.
type serial struct {
	mu      sync.Mutex
	queue   []func()
	running bool
}

// do runs f, and returns once f has returned.
func (s *serial) do(f func()) {
	done := make(chan struct{})
	s.mu.Lock()
	s.queue = append(s.queue, func() { defer close(done); f() })

	if s.running {
		s.mu.Unlock()
		<-done
		return
	}

	// No other goroutine runs the queue, so this one does, including what others add to
	// it.
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
