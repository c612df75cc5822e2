package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// watcher wakes the watchers of logs on this node. It listens to the wake-ups that other
// nodes publish, and checks every watched log once in Options.SafetyRead.
type watcher struct {
	s *Store

	mu        sync.Mutex
	listening bool                // to the node's channels
	logs      map[string]*watched // by epoch
}

type watched struct {
	tail  tail
	wakes []*func()
	seen  string // the head when it was last checked
}

func (w *watcher) init(s *Store) { w.s, w.logs = s, make(map[string]*watched) }

// channel returns the channel of this node in a shard.
func (w *watcher) channel(shard int) string { return w.s.base[shard] + ":n:" + w.s.node }

// listenLocked subscribes to the node's channels, once.
func (w *watcher) listenLocked() {
	if w.listening {
		return
	}
	w.listening = true
	for shard := range shards {
		w.s.subscriber.subscribe(w.channel(shard), &listener{
			shard:      shard,
			heard:      w.heard,
			subscribed: func() { w.wakeShard(shard) },
		})
	}
}

func (w *watcher) watch(epoch string, wake func()) (_ *watched, stop func()) {
	one := &wake
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listenLocked()

	l := w.logs[epoch]
	if l == nil {
		l = &watched{}
		w.logs[epoch] = l
	}

	l.wakes = append(slices.Clone(l.wakes), one)
	return l, func() { w.forget(epoch, l, one) }
}

func (w *watcher) forget(epoch string, l *watched, one *func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.wakes = slices.DeleteFunc(slices.Clone(l.wakes), func(o *func()) bool { return o == one })
	if len(l.wakes) == 0 && w.logs[epoch] == l {
		delete(w.logs, epoch)
	}
}

// heard handles what was published for this node: a wake-up ("w" and the epoch), or the
// entries of a batch ("e", then for each the epoch, its header and the entry).
func (w *watcher) heard(message string) {
	if len(message) == 1+epochLen && message[0] == 'w' {
		w.wake(message[1:])
		return
	}
	for rest := message[min(1, len(message)):]; len(rest) >= epochLen+pushedLen; {
		at, length := parseAppended(rest[epochLen:])
		epoch, raw := rest[:epochLen], rest[epochLen+pushedLen:]
		if len(raw) < length {
			return // it is not one of ours
		}
		w.appended(epoch, at, strings.Clone(raw[:length]))
		rest = raw[length:]
	}
}

// appended takes in an entry that was appended by another node or by this one, for all
// readers.
func (w *watcher) appended(epoch string, at appended, raw string) {
	l, wakes := w.find(epoch)
	if l == nil {
		return
	}
	wake, crowded := l.tail.hear(at, raw)
	if crowded {
		w.s.reports.hurry(epoch)
	}
	if wake {
		for _, one := range wakes {
			(*one)()
		}
	}
}

// find returns a log that is watched, or nil.
func (w *watcher) find(epoch string) (*watched, []*func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.logs[epoch]
	if l == nil {
		return nil, nil
	}
	return l, l.wakes
}

// wakeShard wakes the watchers of all logs whose entries and wake-ups are published in a
// shard: its own logs, and without a Cluster any logs.
func (w *watcher) wakeShard(shard int) {
	w.mu.Lock()
	var some []string
	for epoch := range w.logs {
		if shard == shardOfPlace(epoch) || shard == 0 && !w.s.sharded() {
			some = append(some, epoch)
		}
	}
	w.mu.Unlock()
	for _, epoch := range some {
		w.wake(epoch)
	}
}

// wake calls every watcher of the log, without the lock. Its links ask Redis.
func (w *watcher) wake(epoch string) {
	l, wakes := w.find(epoch)
	if l == nil {
		return
	}
	l.tail.unread()
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
		// A head whose state Redis has lost is as good as none.
		cmds := make(rueidis.Commands, 0, 2*len(some))
		for _, epoch := range some {
			base := w.s.base[shardOfPlace(epoch)]
			cmds = append(cmds, w.s.client.B().Hget().Key(base+":h").Field(epoch).Build(),
				w.s.client.B().Exists().Key(base+":s:"+epoch).Build())
		}

		var failed error
		results := w.s.client.DoMulti(ctx, cmds...)
		for i := range some {
			v, err := results[2*i].ToString()
			if rueidis.IsRedisNil(err) { // the session has ended, or Redis has lost it
				err = nil
			}
			n, lost := results[2*i+1].AsInt64()
			if n == 0 {
				v = ""
			}
			err = errors.Join(err, lost)
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
	if l == nil {
		return false
	}
	known := l.seen == v
	l.seen = v
	at, ok := parseHead(v)
	return !known && !(ok && l.tail.confirms(at))
}
