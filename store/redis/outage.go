package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// outage tells the Logger that Redis fails, and that it does not any more: clients wait
// quietly for the one to become the other, so that nobody else would say it.
type outage struct {
	failing atomic.Bool // what a call that went well looks at

	mu     sync.Mutex
	since  time.Time // the first failure
	last   time.Time // the latest one
	said   time.Time // when it was told
	what   string    // that was told
	failed int       // calls since the first failure
}

// sayAgain is how often an outage that goes on is told again.
const sayAgain = time.Minute

// fails notes that Redis has failed a call; why is its own error, or that of the way to
// it.
func (s *Store) fails(step string, why error) {
	what := advice(why)
	o := &s.outage
	now := time.Now()

	o.mu.Lock()
	if o.failed == 0 {
		o.since = now
		o.failing.Store(true)
	}
	o.last = now
	o.failed++
	failed, since := o.failed, o.since
	tell := what != o.what || now.Sub(o.said) >= sayAgain
	if tell {
		o.said, o.what = now, what
	}
	o.mu.Unlock()

	if tell {
		s.o.Logger.Error("redis: Redis "+what, "step", step, "error", why, "failed", failed, "since", since)
	}
}

// works notes that Redis has done what it was asked for. The outage is over when for
// Timeout nothing has failed: in a Cluster, or when memory runs out, one call goes well
// while the next one does not.
func (s *Store) works() {
	o := &s.outage
	if !o.failing.Load() {
		return
	}
	o.mu.Lock()
	over := o.failed > 0 && time.Since(o.last) >= s.o.Timeout
	failed, since := o.failed, o.since
	if over {
		o.failed, o.what = 0, ""
		o.failing.Store(false)
	}
	o.mu.Unlock()
	if over {
		s.o.Logger.Info("redis: Redis is well again", "failed", failed, "since", since)
	}
}

// advices are what an operator can do about an error of Redis, by the word in it.
var advices = []struct{ word, what string }{
	{"OOM", "is full, and refuses messages and new sessions: give it more maxmemory, " +
		"or sessions smaller bounds and less retention"},
	{"READONLY", "is a replica: the client's address has to lead to the primary"},
	{"NOREPLICAS", "has not the replicas that min-replicas-to-write asks for: bring them back"},
	{"MASTERDOWN", "is a replica that has lost its primary: the client's address has to lead to a primary"},
	{"MISCONF", "cannot write to its disk, and so takes no writes: see its own log"},
	{"LOADING", "is still loading its data: wait"},
	{"CLUSTERDOWN", "is a Cluster that lacks slots or a majority: see CLUSTER INFO"},
	{"TRYAGAIN", "is moving a slot, and takes long over it: move fewer at a time"},
	{"BUSY", "is held up by somebody's long script: see SLOWLOG, then SCRIPT KILL"},
	{"NOAUTH", "wants a password: give it to the client"},
	{"WRONGPASS", "does not know the client's user and password"},
	{"NOPERM", forbidden}, {"user executing the script", forbidden},
}

const forbidden = "forbids the client's user keys, channels or commands that the Store needs: see docs/operations.md"

func advice(why error) string {
	for _, a := range advices {
		if strings.Contains(why.Error(), a.word) {
			return a.what
		}
	}
	return "does not answer as it should; until it does, clients wait, and calls are uncertain: " +
		"see that it runs and can be reached from here"
}

// cause returns the newer error, or the older one where that says more than that the time
// was over.
func cause(older, newer error) error {
	if older != nil && (errors.Is(newer, context.DeadlineExceeded) || errors.Is(newer, context.Canceled)) {
		return older
	}
	return newer
}
