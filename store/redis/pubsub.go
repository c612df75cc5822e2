package redis

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const batch = 256 // how many channels or logs go into one command or pipeline

// channel returns the channel on which the wake-ups of a log are published.
func (w *watcher) channel(epoch string) string { return w.s.base[shardOfPlace(epoch)] + ":w:" + epoch }

func epochOfChannel(c string) string { return c[strings.LastIndexByte(c, ':')+1:] }

// run keeps the node subscribed until close.
func (h *watcher) run() {
	defer h.hang()
	tick := time.NewTicker(h.s.o.SafetyRead)
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()

	const least, most = 50 * time.Millisecond, time.Second
	for wait := least; ; {
		select {
		case <-h.news:
		case <-again.C:
		case <-tick.C:
			h.safety()
		case <-h.ctx.Done():
			return
		}

		if h.subscribe() {
			wait = least
			continue
		}
		again.Reset(wait)
		wait = min(2*wait, most)
	}
}

// hang releases every connection.
func (w *watcher) hang() {
	for _, e := range w.subscriptions {
		e.release()
	}
}

// subscribe makes the subscriptions that are missing, and ends those that are not wanted.
// It returns false if some of that has to be retried.
func (w *watcher) subscribe() bool {
	// The subscriptions of a lost connection need another one.
	w.mu.Lock()
	add, remove := w.fresh, w.stale
	for _, e := range w.lost {
		if w.subscriptions[e.addr] == e {
			delete(w.subscriptions, e.addr)
			e.release()
			for epoch := range e.has {
				add = append(add, epoch)
			}
		}
	}

	// A log may have been left, or watched again, since it was noted.
	add = slices.DeleteFunc(add, func(epoch string) bool { return w.logs[epoch] == nil })
	remove = slices.DeleteFunc(remove, func(epoch string) bool { return w.logs[epoch] != nil })
	w.fresh, w.stale, w.lost = nil, nil, nil
	w.mu.Unlock()

	for _, e := range w.subscriptions {
		for _, some := range byShard(remove, e.has) {
			_ = w.do(e, w.unsubscription(some)) // if this fails, it gets wake-ups that it does not need
			for _, epoch := range some {
				delete(e.has, epoch)
			}
		}
	}

	var failed []string
	for shard, some := range byShard(add, nil) {
		if !w.at(shard, some) {
			failed = append(failed, some...)
		}
	}

	w.mu.Lock()
	w.fresh = append(w.fresh, failed...)
	w.mu.Unlock()
	return len(failed) == 0
}

// byShard sorts epochs into batches of one shard each. If only is not nil, it skips
// epochs that are not in it.
func byShard(epochs []string, only map[string]bool) iter.Seq2[int, []string] {
	all := make(map[int][]string)
	for _, epoch := range epochs {
		if only == nil || only[epoch] {
			all[shardOfPlace(epoch)] = append(all[shardOfPlace(epoch)], epoch)
		}
	}
	return func(yield func(int, []string) bool) {
		for shard, epochs := range all {
			for some := range slices.Chunk(epochs, batch) {
				if !yield(shard, some) {
					return
				}
			}
		}
	}
}

// at subscribes to logs of one shard, at the shard's primary. If the primary is not
// known, another one answers which it is.
func (w *watcher) at(shard int, some []string) bool {
	for range 3 {
		e := w.connection(w.home[shard])
		if e == nil {
			w.home[shard] = ""
			return false
		}

		err := w.do(e, w.subscription(some))
		if err == nil {
			w.home[shard] = e.addr
			for _, epoch := range some {
				e.has[epoch] = true
			}
			return true
		}

		w.home[shard] = ""
		moved, ok := rueidis.IsRedisErr(err)
		if !ok { // the connection is dead, whatever the error
			w.mu.Lock()
			w.lost = append(w.lost, e)
			w.mu.Unlock()
			return false
		}

		addr, ok := moved.IsMoved()
		if !ok {
			w.s.fails("subscribe", err)
			return false
		}
		if w.s.client.Nodes()[addr] == nil { // so that the client learns of it
			ctx, cancel := context.WithTimeout(w.ctx, w.s.o.Timeout)
			w.s.client.Do(ctx, w.s.client.B().Exists().Key(w.s.base[shard]).Build())
			cancel()
		}
		w.home[shard] = addr
	}
	return false
}

// connection returns the connection to the primary at addr, or to any primary if addr is
// "". It returns nil if there is none.
func (w *watcher) connection(addr string) *subscription {
	sharded := w.s.sharded()
	if e := w.subscriptions[addr]; e != nil {
		return e
	}

	// Any will do, preferably an existing one.
	if sharded && addr == "" {
		for _, e := range w.subscriptions {
			return e
		}
	}

	e := &subscription{addr: addr, has: make(map[string]bool)}
	if !sharded {
		e.conn, e.release = w.s.client.Dedicate()
	} else {
		nodes := w.s.client.Nodes()
		if addr == "" {
			for e.addr = range nodes {
				break
			}
		}
		node := nodes[e.addr]
		if node == nil {
			return nil
		}
		e.conn, e.release = node.Dedicate()
	}

	lost := e.conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: w.message, OnSubscription: w.subscribed})
	w.subscriptions[e.addr] = e
	w.done.Go(func() {
		<-lost
		w.mu.Lock()
		w.lost = append(w.lost, e)
		w.mu.Unlock()
		w.tell()
	})
	return e
}

// message handles a wake-up from another node. It ignores this node's own, which have
// woken already.
func (w *watcher) message(m rueidis.PubSubMessage) {
	if m.Message == w.s.node || w.deaf != nil && w.deaf() {
		return
	}
	w.wake(epochOfChannel(m.Channel))
}

// subscribed wakes for what was published before a subscription. A subscription that
// ended though it is wanted has gone to another primary with its slot, and is made again.
func (w *watcher) subscribed(s rueidis.PubSubSubscription) {
	epoch := epochOfChannel(s.Channel)
	switch s.Kind {
	case "subscribe", "ssubscribe":
		if w.deaf == nil || !w.deaf() {
			w.wake(epoch)
		}
	case "unsubscribe", "sunsubscribe":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.logs[epoch] != nil {
			w.fresh = append(w.fresh, epoch)
			w.tell()
		}
	}
}

func (w *watcher) channels(epochs []string) []string {
	all := make([]string, len(epochs))
	for i, epoch := range epochs {
		all[i] = w.channel(epoch)
	}
	return all
}

func (w *watcher) subscription(epochs []string) rueidis.Completed {
	if w.s.sharded() {
		return w.s.client.B().Ssubscribe().Channel(w.channels(epochs)...).Build()
	}
	return w.s.client.B().Subscribe().Channel(w.channels(epochs)...).Build()
}

func (w *watcher) unsubscription(epochs []string) rueidis.Completed {
	if w.s.sharded() {
		return w.s.client.B().Sunsubscribe().Channel(w.channels(epochs)...).Build()
	}
	return w.s.client.B().Unsubscribe().Channel(w.channels(epochs)...).Build()
}

func (w *watcher) do(e *subscription, cmd rueidis.Completed) error {
	ctx, cancel := context.WithTimeout(w.ctx, w.s.o.Timeout)
	defer cancel()
	return e.conn.Do(ctx, cmd).Error()
}
