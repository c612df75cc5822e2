package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/rueidis"
)

// watcher wakes the watchers of logs on this node. It listens to the wake-ups that other
// nodes publish, and checks every watched log once in Options.SafetyRead.
type watcher struct {
	s *Store

	mu   sync.Mutex
	logs map[string]*watched // by epoch
}

type watched struct {
	wakes []*func()
	seen  string // the beginning of the state when it was last checked
}

func (w *watcher) init(s *Store) { w.s, w.logs = s, make(map[string]*watched) }

// channel returns the channel on which the wake-ups of a log are published.
func (w *watcher) channel(epoch string) string { return w.s.base[shardOfPlace(epoch)] + ":w:" + epoch }

func (w *watcher) watch(epoch string, wake func()) (stop func()) {
	one := &wake
	w.mu.Lock()
	defer w.mu.Unlock()

	l := w.logs[epoch]
	if l == nil {
		l = &watched{}
		w.logs[epoch] = l
		w.s.subscriber.subscribe(w.channel(epoch), &listener{
			shard: shardOfPlace(epoch),
			heard: func(node string) {
				if node != w.s.node { // otherwise the watchers were woken already
					w.wake(epoch)
				}
			},
			subscribed: func() { w.wake(epoch) },
		})
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
		w.s.subscriber.unsubscribe(w.channel(epoch))
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

// check wakes the watchers of logs that have changed since the last check, because a
// wake-up may have been lost.
func (w *watcher) check() {
	w.mu.Lock()
	all := make([]string, 0, len(w.logs))
	for epoch := range w.logs {
		all = append(all, epoch)
	}
	w.mu.Unlock()

	ctx, cancel := context.WithTimeout(w.s.subscriber.ctx, w.s.o.Timeout)
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
		case w.s.subscriber.ctx.Err() == nil: // an outage is logged even if nobody sends anything
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
