package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// outage logs when Redis begins to fail, and when it works again. Clients wait quietly
// for that, so nothing else would log it.
type outage struct {
	failing atomic.Bool // checked by calls that succeed

	mu     sync.Mutex
	since  time.Time // the first failure
	last   time.Time // the latest one
	said   time.Time // when it was logged
	what   string    // the advice that was logged
	failed int       // calls since the first failure
}

// sayAgain is how often an outage that continues is logged again.
const sayAgain = time.Minute

// fails notes that a call of Redis has failed. why is the error of Redis, or of the
// connection to it.
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

// works notes that a call of Redis has succeeded. The outage has ended when nothing has
// failed for Timeout: in a Cluster, or when memory runs out, one call may succeed while
// the next one fails.
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
		s.o.Logger.Info("redis: Redis works again", "failed", failed, "since", since)
	}
}

// advices say what an operator can do about an error of Redis, by a word in the error.
var advices = []struct{ word, what string }{
	{"OOM", "is full, and refuses messages and new sessions: give it more maxmemory, " +
		"or give sessions smaller bounds and less retention"},
	{"READONLY", "is a replica: the client's address must lead to the primary"},
	{"NOREPLICAS", "lacks the replicas that min-replicas-to-write requires: bring them back"},
	{"MASTERDOWN", "is a replica that has lost its primary: the client's address must lead to a primary"},
	{"MISCONF", "cannot write to its disk, so it refuses writes: see its own log"},
	{"LOADING", "is still loading its data: wait"},
	{"CLUSTERDOWN", "is a Cluster that lacks slots or a majority: see CLUSTER INFO"},
	{"TRYAGAIN", "is moving a slot, which takes long: move fewer slots at a time"},
	{"BUSY", "is blocked by a long script: see SLOWLOG, then SCRIPT KILL"},
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
	return "does not answer correctly; until it does, clients wait, and calls are uncertain: " +
		"check that it runs and can be reached from here"
}

// cause returns the newer error, or the older one if the newer one only says that the
// time has run out.
func cause(older, newer error) error {
	if older != nil && (errors.Is(newer, context.DeadlineExceeded) || errors.Is(newer, context.Canceled)) {
		return older
	}
	return newer
}
