package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/rueidis"
)

// hub wakes those who watch logs on this node. Its goroutine, started with the first of them, keeps the node subscribed, and looks at every watched
// log once in Options.SafetyRead. In a Cluster there is a connection to each primary that has one of the logs, else one in all.
type hub struct {
	s      *Store
	deaf   func() bool     // tests only: drop what is published
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	done   sync.WaitGroup
	news   chan struct{} // that there is something in fresh, stale or lost

	mu      sync.Mutex
	closed  bool
	running bool
	logs    map[string]*watched // by epoch
	fresh   []string            // to be subscribed
	stale   []string            // to be unsubscribed, unless watched again
	lost    []*ear              // whose connection has ended

	// Of the goroutine alone.
	ears map[string]*ear // by the address of the primary, "" without a Cluster
	home [shards]string  // the primary that has the shard, as far as is known
}

type watched struct {
	wakes []*func()
	seen  string // the head of the state when it was last looked at
}

// ear is a connection that is subscribed.
type ear struct {
	addr    string
	conn    rueidis.DedicatedClient
	release func()
	has     map[string]bool // epochs
}

func (h *hub) init(s *Store) {
	h.s, h.logs, h.ears, h.news = s, make(map[string]*watched), make(map[string]*ear), make(chan struct{}, 1)
	h.ctx, h.cancel = context.WithCancel(context.Background())
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.done.Wait()
}

func (h *hub) watch(epoch string, wake func()) (stop func()) {
	w := &wake
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running && !h.closed {
		h.running = true
		h.done.Go(h.run)
	}
	l := h.logs[epoch]
	if l == nil {
		l = &watched{}
		h.logs[epoch] = l
		h.fresh = append(h.fresh, epoch)
		h.tell()
	}
	l.wakes = append(slices.Clone(l.wakes), w)
	return func() { h.forget(epoch, l, w) }
}

func (h *hub) forget(epoch string, l *watched, w *func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l.wakes = slices.DeleteFunc(slices.Clone(l.wakes), func(o *func()) bool { return o == w })
	if len(l.wakes) == 0 && h.logs[epoch] == l {
		delete(h.logs, epoch)
		h.stale = append(h.stale, epoch)
		h.tell()
	}
}

func (h *hub) tell() {
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// wake calls everybody who watches the log; without the lock.
func (h *hub) wake(epoch string) {
	h.mu.Lock()
	var wakes []*func()
	if l := h.logs[epoch]; l != nil {
		wakes = l.wakes
	}
	h.mu.Unlock()
	for _, w := range wakes {
		(*w)()
	}
}

// safety wakes where something has changed since it last looked: a wake-up may have been lost.
func (h *hub) safety() {
	h.mu.Lock()
	all := make([]string, 0, len(h.logs))
	for epoch := range h.logs {
		all = append(all, epoch)
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(h.ctx, h.s.o.Timeout)
	defer cancel()
	for some := range slices.Chunk(all, batch) {
		cmds := make(rueidis.Commands, len(some))
		for i, epoch := range some {
			cmds[i] = h.s.client.B().Getrange().Key(h.s.base[shardOfPlace(epoch)] + ":s:" + epoch).Start(0).End(9).Build()
		}
		var failed error
		for i, r := range h.s.client.DoMulti(ctx, cmds...) {
			v, err := r.ToString()
			switch {
			case err != nil:
				failed = err
			case h.changed(some[i], v):
				h.wake(some[i])
			}
		}
		switch {
		case failed == nil:
			h.s.works()
		case h.ctx.Err() == nil: // also where nobody sends anything, somebody is to know
			h.s.fails("look", failed)
		}
	}
}

func (h *hub) changed(epoch, v string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.logs[epoch]
	if l == nil || l.seen == v {
		return false
	}
	l.seen = v
	return true
}
