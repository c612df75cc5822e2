package redis

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

const batch = 256 // so many channels or logs go into one command or pipeline

// channel is where the wake-ups of a log are published.
func (h *hub) channel(epoch string) string { return h.s.base[shardOfPlace(epoch)] + ":w:" + epoch }

func epochOfChannel(c string) string { return c[strings.LastIndexByte(c, ':')+1:] }

// run keeps the node subscribed until close.
func (h *hub) run() {
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

// hang lets go of every connection.
func (h *hub) hang() {
	for _, e := range h.ears {
		e.release()
	}
}

// subscribe does what is to be done; false if some of it has to be tried again.
func (h *hub) subscribe() bool {
	h.mu.Lock()
	add, remove := h.fresh, h.stale
	for _, e := range h.lost {
		if h.ears[e.addr] == e {
			delete(h.ears, e.addr)
			e.release()
			for epoch := range e.has {
				add = append(add, epoch)
			}
		}
	}
	add = slices.DeleteFunc(add, func(epoch string) bool { return h.logs[epoch] == nil })
	remove = slices.DeleteFunc(remove, func(epoch string) bool { return h.logs[epoch] != nil })
	h.fresh, h.stale, h.lost = nil, nil, nil
	h.mu.Unlock()
	for _, e := range h.ears {
		for _, some := range byShard(remove, e.has) {
			_ = h.do(e, h.unsubscription(some)) // else it hears more than it must
			for _, epoch := range some {
				delete(e.has, epoch)
			}
		}
	}
	var failed []string
	for shard, some := range byShard(add, nil) {
		if !h.at(shard, some) {
			failed = append(failed, some...)
		}
	}
	h.mu.Lock()
	h.fresh = append(h.fresh, failed...)
	h.mu.Unlock()
	return len(failed) == 0
}

// byShard sorts epochs, of those in only if there is one, into batches of one shard.
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

// at subscribes to logs of one shard, where that is: the primary that has it is known, or another one tells.
func (h *hub) at(shard int, some []string) bool {
	for range 3 {
		e := h.ear(h.home[shard])
		if e == nil {
			h.home[shard] = ""
			return false
		}
		err := h.do(e, h.subscription(some))
		if err == nil {
			h.home[shard] = e.addr
			for _, epoch := range some {
				e.has[epoch] = true
			}
			return true
		}
		h.home[shard] = ""
		moved, ok := rueidis.IsRedisErr(err)
		if !ok { // it is dead, whatever it says
			h.mu.Lock()
			h.lost = append(h.lost, e)
			h.mu.Unlock()
			return false
		}
		addr, ok := moved.IsMoved()
		if !ok {
			h.s.fails("subscribe", err)
			return false
		}
		if h.s.client.Nodes()[addr] == nil { // let the client find out
			ctx, cancel := context.WithTimeout(h.ctx, h.s.o.Timeout)
			h.s.client.Do(ctx, h.s.client.B().Exists().Key(h.s.base[shard]).Build())
			cancel()
		}
		h.home[shard] = addr
	}
	return false
}

// ear returns the connection to the primary at addr; any where it is not known. It is nil if there is none.
func (h *hub) ear(addr string) *ear {
	sharded := h.s.sharded()
	if e := h.ears[addr]; e != nil {
		return e
	}
	if sharded && addr == "" {
		for _, e := range h.ears {
			return e
		}
	}
	e := &ear{addr: addr, has: make(map[string]bool)}
	if !sharded {
		e.conn, e.release = h.s.client.Dedicate()
	} else {
		nodes := h.s.client.Nodes()
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
	lost := e.conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: h.message, OnSubscription: h.subscribed})
	h.ears[e.addr] = e
	h.done.Go(func() {
		<-lost
		h.mu.Lock()
		h.lost = append(h.lost, e)
		h.mu.Unlock()
		h.tell()
	})
	return e
}

// message is a wake-up from another node; what this one published it has told itself.
func (h *hub) message(m rueidis.PubSubMessage) {
	if m.Message == h.s.node || h.deaf != nil && h.deaf() {
		return
	}
	h.wake(epochOfChannel(m.Channel))
}

// subscribed wakes for what came before a subscription; one that ended though it was wanted has gone to another primary with its slot.
func (h *hub) subscribed(s rueidis.PubSubSubscription) {
	epoch := epochOfChannel(s.Channel)
	switch s.Kind {
	case "subscribe", "ssubscribe":
		if h.deaf == nil || !h.deaf() {
			h.wake(epoch)
		}
	case "unsubscribe", "sunsubscribe":
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.logs[epoch] != nil {
			h.fresh = append(h.fresh, epoch)
			h.tell()
		}
	}
}

func (h *hub) channels(epochs []string) []string {
	all := make([]string, len(epochs))
	for i, epoch := range epochs {
		all[i] = h.channel(epoch)
	}
	return all
}

func (h *hub) subscription(epochs []string) rueidis.Completed {
	if h.s.sharded() {
		return h.s.client.B().Ssubscribe().Channel(h.channels(epochs)...).Build()
	}
	return h.s.client.B().Subscribe().Channel(h.channels(epochs)...).Build()
}

func (h *hub) unsubscription(epochs []string) rueidis.Completed {
	if h.s.sharded() {
		return h.s.client.B().Sunsubscribe().Channel(h.channels(epochs)...).Build()
	}
	return h.s.client.B().Unsubscribe().Channel(h.channels(epochs)...).Build()
}

func (h *hub) do(e *ear, cmd rueidis.Completed) error {
	ctx, cancel := context.WithTimeout(h.ctx, h.s.o.Timeout)
	defer cancel()
	return e.conn.Do(ctx, cmd).Error()
}
