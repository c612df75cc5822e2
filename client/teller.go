package client

import "sync"

// A teller calls a function of the program after each change: one call at a time, on a
// goroutine that lasts as long as there is news. Changes during a call lead to one more
// call.
type teller struct {
	mu      sync.Mutex
	news    bool
	calling bool
}

// tell lets f be called, which looks up the news itself. It must be the same each time.
func (t *teller) tell(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news = true
	if !t.calling {
		t.calling = true
		go func() {
			for t.next() {
				f()
			}
		}()
	}
}

func (t *teller) next() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calling = t.news
	t.news = false
	return t.calling
}
