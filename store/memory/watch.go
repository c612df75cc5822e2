package memory

// A watcher is an element of the list of callbacks to wake. The list is copied on write,
// so that waking needs no lock.
type watcher struct {
	wake   func()
	number uint32
	next   *watcher
}

// without returns the list without the watcher of that number.
func (w *watcher) without(number uint32) *watcher {
	switch {
	case w == nil:
		return nil
	case w.number == number:
		return w.next
	}
	return &watcher{w.wake, w.number, w.next.without(number)}
}

// watched adds a watcher. stop removes it.
func (l *memLog) watched(wake func()) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watches++
	number := l.watches
	l.watch.Store(&watcher{wake, number, l.watch.Load()})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watch.Store(l.watch.Load().without(number))
	}
}

// wake calls the watchers. It is called without the lock.
func (l *memLog) wake() {
	for w := l.watch.Load(); w != nil; w = w.next {
		w.wake()
	}
}
