package transport_test

import (
	"fmt"
	"sync"

	"github.com/mirage-go/mirage/session"
)

// A linkBook observes every world. It knows which links have begun and not ended, and
// asks the Manager something at each event, so that a lock which is held meanwhile stops
// the test.
type linkBook struct {
	mu     sync.Mutex
	m      *session.Manager // nil until it is made
	seen   int
	open   map[string]string // what each link is, by reader and number
	errors []string
}

// asked is at how many events the linkBook asks: to count all links takes time.
const asked = 300

// Observe implements session.Observer.
func (l *linkBook) Observe(e session.Event) {
	l.mu.Lock()
	l.seen++
	m := l.m
	if l.seen > asked {
		m = nil
	}
	key := fmt.Sprint(e.Reader, " ", e.Link)
	switch e.Kind {
	case session.EventLinkBegan:
		if l.open[key] != "" {
			l.errors = append(l.errors, "a link began twice: "+key)
		}
		l.open[key] = fmt.Sprint(e.Transport, " of ", e.Session, ", ", e.Reason)
	case session.EventLinkEnded:
		if l.open[key] == "" {
			l.errors = append(l.errors, "a link ended that had not begun: "+key)
		}
		delete(l.open, key)
	}
	if e.Kind == 0 || e.Kind.String() == "" {
		l.errors = append(l.errors, fmt.Sprintf("an event without a kind: %+v", e))
	}
	l.mu.Unlock()
	if m != nil {
		_ = m.Stats()
	}
}

// balance reports what is wrong once all links have ended: O1.
func (l *linkBook) balance(w *world) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, text := range l.errors {
		w.Errorf("the Observer: %s", text)
	}
	for key, what := range l.open {
		w.Errorf("the Observer was not told of the end of the link %s: %s", key, what)
	}
}
