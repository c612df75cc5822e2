package redis

import (
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// subscriber keeps the node subscribed to channels, each of which belongs to a shard. Its
// goroutine starts with the first of them. In a Cluster there is a connection to each
// primary that has one of the shards, otherwise there is one connection.
type subscriber struct {
	s      *Store
	deaf   atomic.Pointer[func() bool] // tests only: drop what is published
	checks []func()                    // called every Options.SafetyRead, because what is published may be lost
	ctx    context.Context             // ends with close
	cancel context.CancelFunc
	done   sync.WaitGroup
	news   chan struct{} // signals that fresh, stale or lost has changed

	mu      sync.Mutex
	closed  bool
	running bool
	wanted  map[string]*listener // by channel
	fresh   []channel            // to be subscribed
	stale   []channel            // to be unsubscribed, unless wanted again
	lost    []*subscription      // their connections have ended

	// Owned by the goroutine.
	subscriptions map[string]*subscription // by the address of the primary; "" without a Cluster
	home          [shards]string           // the primary of each shard; "" if it is not known
}

// A listener gets what is published on a channel. Its functions must not block. Calls may
// be lost, and one that has begun may arrive after unsubscribe.
type listener struct {
	shard int
	heard func(message string)
	// subscribed is called after each subscription, of which there are several if
	// connections end: what was published before may have been missed.
	subscribed func()
}

// A channel belongs to the shard whose base its name begins with.
type channel struct {
	shard int
	name  string
}

// subscription is a connection on which channels are subscribed.
type subscription struct {
	addr    string
	conn    rueidis.DedicatedClient
	release func()
	has     map[channel]bool
}

func (u *subscriber) init(s *Store) {
	u.s, u.wanted, u.subscriptions = s, make(map[string]*listener), make(map[string]*subscription)
	u.news = make(chan struct{}, 1)
	u.ctx, u.cancel = context.WithCancel(context.Background())
}

func (u *subscriber) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.cancel()
	u.done.Wait()
}

// subscribe lets l listen to a channel that has no listener, without waiting for Redis.
func (u *subscriber) subscribe(name string, l *listener) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.running && !u.closed {
		u.running = true
		u.done.Go(u.run)
	}
	u.wanted[name] = l
	u.fresh = append(u.fresh, channel{l.shard, name})
	u.tell()
}

// unsubscribe undoes subscribe.
func (u *subscriber) unsubscribe(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if l := u.wanted[name]; l != nil {
		delete(u.wanted, name)
		u.stale = append(u.stale, channel{l.shard, name})
		u.tell()
	}
}

func (u *subscriber) tell() {
	select {
	case u.news <- struct{}{}:
	default:
	}
}

func (u *subscriber) listener(name string) *listener {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wanted[name]
}

// run keeps the node subscribed until close.
func (u *subscriber) run() {
	defer u.releaseAll()
	tick := time.NewTicker(u.s.o.SafetyRead)
	defer tick.Stop()
	again := time.NewTimer(0)
	defer again.Stop()

	const least, most = 50 * time.Millisecond, time.Second
	for wait := least; ; {
		select {
		case <-u.news:
		case <-again.C:
		case <-tick.C:
			for _, check := range u.checks {
				check()
			}
		case <-u.ctx.Done():
			return
		}

		if u.update() {
			wait = least
			continue
		}
		again.Reset(wait)
		wait = min(2*wait, most)
	}
}

// releaseAll releases every connection.
func (u *subscriber) releaseAll() {
	for _, e := range u.subscriptions {
		e.release()
	}
}

// update makes the subscriptions that are missing, and ends those that are not wanted. It
// returns false if some of that has to be retried.
func (u *subscriber) update() bool {
	// The subscriptions of a lost connection need another one.
	u.mu.Lock()
	add, remove := u.fresh, u.stale
	var over []*subscription
	for _, e := range u.lost {
		if u.subscriptions[e.addr] == e {
			delete(u.subscriptions, e.addr)
			over = append(over, e)
			for c := range e.has {
				add = append(add, c)
			}
		}
	}

	// A channel may have been left, or wanted again, since it was noted.
	add = slices.DeleteFunc(add, func(c channel) bool { return u.wanted[c.name] == nil })
	remove = slices.DeleteFunc(remove, func(c channel) bool { return u.wanted[c.name] != nil })
	u.fresh, u.stale, u.lost = nil, nil, nil
	u.mu.Unlock()

	for _, e := range over { // without the lock: it waits for calls of subscribed
		e.release()
	}
	for _, e := range u.subscriptions {
		for _, some := range byShard(remove, e.has) {
			_ = u.do(e, u.unsubscription(some)) // if this fails, it gets messages that it does not need
			for _, c := range some {
				delete(e.has, c)
			}
		}
	}

	var failed []channel
	for shard, some := range byShard(add, nil) {
		if !u.subscribeAt(shard, some) {
			failed = append(failed, some...)
		}
	}

	u.mu.Lock()
	u.fresh = append(u.fresh, failed...)
	u.mu.Unlock()
	return len(failed) == 0
}

// batch is how many channels or logs go into one command or pipeline.
const batch = 256

// byShard sorts channels into batches of one shard each. If only is not nil, it skips
// channels that are not in it.
func byShard(channels []channel, only map[channel]bool) iter.Seq2[int, []channel] {
	all := make(map[int][]channel)
	for _, c := range channels {
		if only == nil || only[c] {
			all[c.shard] = append(all[c.shard], c)
		}
	}
	return func(yield func(int, []channel) bool) {
		for shard, channels := range all {
			for some := range slices.Chunk(channels, batch) {
				if !yield(shard, some) {
					return
				}
			}
		}
	}
}

// subscribeAt subscribes to channels of one shard, at the shard's primary. If the primary
// is not known, another one answers which it is.
func (u *subscriber) subscribeAt(shard int, some []channel) bool {
	for range 3 {
		e := u.connection(u.home[shard])
		if e == nil {
			u.home[shard] = ""
			return false
		}

		err := u.do(e, u.subscription(some))
		if err == nil {
			u.home[shard] = e.addr
			for _, c := range some {
				e.has[c] = true
			}
			return true
		}

		u.home[shard] = ""
		moved, ok := rueidis.IsRedisErr(err)
		if !ok { // the connection is dead, whatever the error
			u.mu.Lock()
			u.lost = append(u.lost, e)
			u.mu.Unlock()
			return false
		}

		addr, ok := moved.IsMoved()
		if !ok {
			u.s.fails("subscribe", err)
			return false
		}
		if u.s.client.Nodes()[addr] == nil { // so that the client learns of it
			ctx, cancel := context.WithTimeout(u.ctx, u.s.o.Timeout)
			u.s.client.Do(ctx, u.s.client.B().Exists().Key(u.s.base[shard]).Build())
			cancel()
		}
		u.home[shard] = addr
	}
	return false
}

// connection returns the connection to the primary at addr, or to any primary if addr is
// "". It returns nil if there is none.
func (u *subscriber) connection(addr string) *subscription {
	sharded := u.s.sharded()
	if e := u.subscriptions[addr]; e != nil {
		return e
	}

	// Any will do, preferably an existing one.
	if sharded && addr == "" {
		for _, e := range u.subscriptions {
			return e
		}
	}

	e := &subscription{addr: addr, has: make(map[channel]bool)}
	if !sharded {
		e.conn, e.release = u.s.client.Dedicate()
	} else {
		nodes := u.s.client.Nodes()
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

	lost := e.conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: u.message, OnSubscription: u.subscribed})
	u.subscriptions[e.addr] = e
	u.done.Go(func() {
		<-lost
		u.mu.Lock()
		u.lost = append(u.lost, e)
		u.mu.Unlock()
		u.tell()
	})
	return e
}

func (u *subscriber) isDeaf() bool {
	deaf := u.deaf.Load()
	return deaf != nil && *deaf != nil && (*deaf)()
}

// message hands on what was published.
func (u *subscriber) message(m rueidis.PubSubMessage) {
	if u.isDeaf() {
		return
	}
	if l := u.listener(m.Channel); l != nil {
		l.heard(m.Message)
	}
}

// subscribed tells the listener of a channel. A subscription that ended though it is
// wanted has gone to another primary with its slot, and is made again.
func (u *subscriber) subscribed(s rueidis.PubSubSubscription) {
	l := u.listener(s.Channel)
	if l == nil {
		return
	}
	switch s.Kind {
	case "subscribe", "ssubscribe":
		if !u.isDeaf() {
			l.subscribed()
		}
	case "unsubscribe", "sunsubscribe":
		u.mu.Lock()
		defer u.mu.Unlock()
		u.fresh = append(u.fresh, channel{l.shard, s.Channel})
		u.tell()
	}
}

func names(channels []channel) []string {
	all := make([]string, len(channels))
	for i, c := range channels {
		all[i] = c.name
	}
	return all
}

func (u *subscriber) subscription(channels []channel) rueidis.Completed {
	if u.s.sharded() {
		return u.s.client.B().Ssubscribe().Channel(names(channels)...).Build()
	}
	return u.s.client.B().Subscribe().Channel(names(channels)...).Build()
}

func (u *subscriber) unsubscription(channels []channel) rueidis.Completed {
	if u.s.sharded() {
		return u.s.client.B().Sunsubscribe().Channel(names(channels)...).Build()
	}
	return u.s.client.B().Unsubscribe().Channel(names(channels)...).Build()
}

func (u *subscriber) do(e *subscription, cmd rueidis.Completed) error {
	ctx, cancel := context.WithTimeout(u.ctx, u.s.o.Timeout)
	defer cancel()
	return e.conn.Do(ctx, cmd).Error()
}
