package redis

import (
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// uncertainPublishes are publishes whose outcome is unknown, for callers that repeat
// them. At most uncertainMax are remembered, for uncertainFor.
type uncertainPublishes struct {
	mu  sync.Mutex
	all map[publishKey]publishAttempt
}

type publishKey struct {
	topic   string
	message *store.Message
}

// A publishAttempt is one publish, however often Redis is asked for it.
type publishAttempt struct {
	op     string              // its tag
	before int                 // how often Redis may have been asked
	since  store.TopicPosition // it comes after this
	at     time.Time
}

// attempt returns the one that the caller repeats, or a new one.
func (u *uncertainPublishes) attempt(h *topicHandle, m *store.Message) publishAttempt {
	u.mu.Lock()
	key := publishKey{h.name, m}
	a, again := u.all[key]
	delete(u.all, key)
	u.mu.Unlock()
	if !again || time.Since(a.at) > uncertainFor {
		a = publishAttempt{op: newOp(), since: h.lastSeen()}
	}
	return a
}

// remember keeps an attempt whose outcome is unknown.
func (u *uncertainPublishes) remember(h *topicHandle, m *store.Message, a publishAttempt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	for key, o := range u.all {
		if now.Sub(o.at) > uncertainFor {
			delete(u.all, key)
		}
	}
	if u.all == nil {
		u.all = make(map[publishKey]publishAttempt)
	}
	if len(u.all) < uncertainMax {
		a.before, a.at = a.before+1, now
		u.all[publishKey{h.name, m}] = a
	}
}
