package redis

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// hub wakes those who watch logs on this node. Its goroutine, started with the first of them, keeps one connection subscribed, and looks at
// every watched log once in Options.SafetyRead.
type hub struct {
	s       *Store
	channel string          // what the names of channels begin with
	deaf    func() bool     // tests only: drop what is published
	ctx     context.Context // ends with close
	cancel  context.CancelFunc
	done    sync.WaitGroup
	news    chan struct{} // that there is something in fresh or stale

	mu      sync.Mutex
	closed  bool
	running bool
	logs    map[string]*watched // by epoch
	fresh   []string            // to be subscribed
	stale   []string            // to be unsubscribed, unless watched again
}

type watched struct {
	wakes []*func()
	seen  string // the head of the state when it was last looked at
}

func (h *hub) init(s *Store) {
	h.s, h.channel = s, s.base+":w:"
	h.logs, h.news = make(map[string]*watched), make(chan struct{}, 1)
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

// run keeps the node subscribed until close.
func (h *hub) run() {
	tick := time.NewTicker(h.s.o.SafetyRead)
	defer tick.Stop()
	for wait := 50 * time.Millisecond; h.ctx.Err() == nil; wait = min(2*wait, time.Second) {
		began := time.Now()
		h.listen(tick.C)
		if time.Since(began) > time.Minute {
			wait = 50 * time.Millisecond
		}
		select {
		case <-time.After(wait):
		case <-tick.C:
			h.safety()
		case <-h.ctx.Done():
		}
	}
}

// listen serves one connection until it is lost.
func (h *hub) listen(tick <-chan time.Time) {
	conn, release := h.s.client.Dedicate()
	defer release()
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: h.message, OnSubscription: h.subscribed})
	h.mu.Lock()
	h.fresh, h.stale = h.fresh[:0], nil
	for epoch := range h.logs {
		h.fresh = append(h.fresh, epoch)
	}
	h.mu.Unlock()
	for h.subscribe(conn) {
		select {
		case <-h.news:
		case <-tick:
			h.safety()
		case <-lost:
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// message is a wake-up from another node; what this one published it has told itself.
func (h *hub) message(m rueidis.PubSubMessage) {
	if m.Message == h.s.node || h.deaf != nil && h.deaf() {
		return
	}
	h.wake(strings.TrimPrefix(m.Channel, h.channel))
}

// subscribed wakes for what came before the subscription.
func (h *hub) subscribed(m rueidis.PubSubSubscription) {
	if strings.HasSuffix(m.Kind, "subscribe") && !strings.HasSuffix(m.Kind, "unsubscribe") && (h.deaf == nil || !h.deaf()) {
		h.wake(strings.TrimPrefix(m.Channel, h.channel))
	}
}

const batch = 256 // so many channels or logs go into one command or pipeline

// subscribe does what is to be done; false if the connection is lost.
func (h *hub) subscribe(conn rueidis.DedicatedClient) bool {
	h.mu.Lock()
	var add, remove []string
	for _, epoch := range h.fresh {
		if h.logs[epoch] != nil {
			add = append(add, h.channel+epoch)
		}
	}
	for _, epoch := range h.stale {
		if h.logs[epoch] == nil {
			remove = append(remove, h.channel+epoch)
		}
	}
	h.fresh, h.stale = nil, nil
	h.mu.Unlock()
	sharded := h.s.pub == "SPUBLISH"
	b := conn.B()
	for some := range slices.Chunk(add, batch) {
		cmd := b.Subscribe().Channel(some...).Build()
		if sharded {
			cmd = b.Ssubscribe().Channel(some...).Build()
		}
		if !h.do(conn, cmd) {
			return false
		}
	}
	for some := range slices.Chunk(remove, batch) {
		cmd := b.Unsubscribe().Channel(some...).Build()
		if sharded {
			cmd = b.Sunsubscribe().Channel(some...).Build()
		}
		if !h.do(conn, cmd) {
			return false
		}
	}
	return true
}

func (h *hub) do(conn rueidis.DedicatedClient, cmd rueidis.Completed) bool {
	ctx, cancel := context.WithTimeout(h.ctx, h.s.o.Timeout)
	defer cancel()
	return conn.Do(ctx, cmd).Error() == nil
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
			cmds[i] = h.s.client.B().Getrange().Key(h.s.base + ":s:" + epoch).Start(0).End(9).Build()
		}
		for i, r := range h.s.client.DoMulti(ctx, cmds...) {
			if v, err := r.ToString(); err == nil && h.changed(some[i], v) {
				h.wake(some[i])
			}
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
