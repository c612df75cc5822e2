package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/rueidis"
)

// watcher wakes the watchers of logs on this node. Its goroutine starts with the first
// watcher. It keeps the node subscribed, and checks every watched log once in
// Options.SafetyRead. In a Cluster there is a connection to each primary that has one of
// the logs, otherwise there is one connection.
type watcher struct {
	s      *Store
	deaf   func() bool     // tests only: drop what is published
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	done   sync.WaitGroup
	news   chan struct{} // signals that fresh, stale or lost has changed

	mu      sync.Mutex
	closed  bool
	running bool
	logs    map[string]*watched // by epoch
	fresh   []string            // to be subscribed
	stale   []string            // to be unsubscribed, unless watched again
	lost    []*subscription     // their connections have ended

	// Owned by the goroutine.
	subscriptions map[string]*subscription // by the address of the primary; "" without a Cluster
	home          [shards]string           // the primary of each shard; "" if it is not known
}

type watched struct {
	wakes []*func()
	seen  string // the beginning of the state when it was last checked
}

// subscription is a connection on which channels are subscribed.
type subscription struct {
	addr    string
	conn    rueidis.DedicatedClient
	release func()
	has     map[string]bool // epochs
}

func (w *watcher) init(s *Store) {
	w.s, w.logs, w.subscriptions = s, make(map[string]*watched), make(map[string]*subscription)
	w.news = make(chan struct{}, 1)
	w.ctx, w.cancel = context.WithCancel(context.Background())
}

func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.done.Wait()
}

func (w *watcher) watch(epoch string, wake func()) (stop func()) {
	one := &wake
	w.mu.Lock()
	defer w.mu.Unlock()

	if !w.running && !w.closed {
		w.running = true
		w.done.Go(w.run)
	}

	l := w.logs[epoch]
	if l == nil {
		l = &watched{}
		w.logs[epoch] = l
		w.fresh = append(w.fresh, epoch)
		w.tell()
	}

	l.wakes = append(slices.Clone(l.wakes), one)
	return func() { w.forget(epoch, l, one) }
}

func (w *watcher) forget(epoch string, l *watched, one *func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.wakes = slices.DeleteFunc(slices.Clone(l.wakes), func(o *func()) bool { return o == one })
	if len(l.wakes) == 0 && w.logs[epoch] == l {
		delete(w.logs, epoch)
		w.stale = append(w.stale, epoch)
		w.tell()
	}
}

func (w *watcher) tell() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// wake calls every watcher of the log, without the lock.
func (w *watcher) wake(epoch string) {
	w.mu.Lock()
	var wakes []*func()
	if l := w.logs[epoch]; l != nil {
		wakes = l.wakes
	}
	w.mu.Unlock()
	for _, one := range wakes {
		(*one)()
	}
}

// safety wakes the watchers of logs that have changed since the last check, because a
// wake-up may have been lost.
func (w *watcher) safety() {
	w.mu.Lock()
	all := make([]string, 0, len(w.logs))
	for epoch := range w.logs {
		all = append(all, epoch)
	}
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(w.ctx, w.s.o.Timeout)
	defer cancel()
	for some := range slices.Chunk(all, batch) {
		cmds := make(rueidis.Commands, len(some))
		for i, epoch := range some {
			key := w.s.base[shardOfPlace(epoch)] + ":s:" + epoch
			cmds[i] = w.s.client.B().Getrange().Key(key).Start(0).End(9).Build()
		}

		var failed error
		for i, r := range w.s.client.DoMulti(ctx, cmds...) {
			v, err := r.ToString()
			switch {
			case err != nil:
				failed = err
			case w.changed(some[i], v):
				w.wake(some[i])
			}
		}

		switch {
		case failed == nil:
			w.s.works()
		case w.ctx.Err() == nil: // an outage is logged even if nobody sends anything
			w.s.fails("look", failed)
		}
	}
}

func (w *watcher) changed(epoch, v string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[epoch]
	if l == nil || l.seen == v {
		return false
	}
	l.seen = v
	return true
}
