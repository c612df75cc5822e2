package redis

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/store"
)

// startLocked starts the goroutine that looks after the topics of this node.
func (ts *topics) startLocked() {
	if ts.running || ts.closed {
		return
	}
	ts.running = true
	ts.done.Go(ts.run)
}

// run looks after the topics until close.
func (ts *topics) run() {
	tick := time.NewTicker(min(ts.s.o.SafetyRead, ts.s.o.Lease/3))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			ts.look()
		case <-ts.ctx.Done():
			return
		}
	}
}

// lookedAtOnce is how many topics a look asks about in one step, so that it does not keep
// Redis from others for long.
const lookedAtOnce = 64

// looked is what a look is about: a topic that is watched, or in which this node has
// entrances.
type looked struct {
	h       *topicHandle
	r       *replica     // nil if there is none
	present *presentHere // nil if there is none
	// what the replica had before
	epoch uint32
	top   uint64
}

// look renews the node's leases, counts the topics as used, and finds what was missed. It
// drops the replicas that nobody uses.
func (ts *topics) look() {
	byShard := ts.toLook()
	ctx, cancel := context.WithTimeout(ts.ctx, ts.s.o.Timeout)
	defer cancel()
	for shard, all := range byShard {
		for some := range slices.Chunk(all, lookedAtOnce) {
			ts.lookAt(ctx, shard, some)
		}
	}
}

func (ts *topics) toLook() map[int][]looked {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	names := make(map[string]looked)
	for name, r := range ts.replicas {
		if r.watched() {
			names[name] = looked{h: r.h, r: r}
			continue
		}
		r.mu.Lock()
		idle := !r.read
		r.read = false
		r.mu.Unlock()
		if idle {
			ts.dropLocked(r)
		}
	}
	for name, p := range ts.present {
		l := names[name]
		l.h, l.present = p.h, p
		names[name] = l
	}

	byShard := make(map[int][]looked)
	for l := range maps.Values(names) {
		byShard[l.h.shard] = append(byShard[l.h.shard], l)
	}
	return byShard
}

// lookAt looks at topics of one shard.
func (ts *topics) lookAt(ctx context.Context, shard int, some []looked) {
	holds := slices.ContainsFunc(some, func(l looked) bool { return l.present != nil })
	args := []string{flag(holds)}
	for i := range some {
		l := &some[i]
		if l.r != nil {
			l.epoch, l.top = l.r.reached()
		}
		args = append(args, l.h.name, l.h.age())
	}
	began := time.Now()
	a, err := ts.s.topicStep(ctx, shard, "look", newOp(), 0, args)
	if err != nil {
		return // an outage was logged
	}

	heads := a.list(3)
	for i, l := range some {
		if len(heads) < 5*(i+1) {
			return
		}
		head := heads[5*i:]
		if l.r != nil {
			l.compare(head, began)
		}
		if l.present != nil {
			ts.reconcile(ctx, l.present, head, a.num(2) == 1)
		}
	}
}

// reached returns up to where the replica has the topic. The epoch is 0 if it has
// nothing.
func (r *replica) reached() (epoch uint32, top uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log == nil {
		return 0, 0
	}
	return r.log.Epoch(), r.recent.top
}

// compare compares the head of a topic, as it was after began, with the replica.
func (l *looked) compare(head []string, began time.Time) {
	r := l.r
	epoch, _ := strconv.ParseUint(head[0], 10, 32)
	top, _ := strconv.ParseUint(head[1], 10, 64)
	ended, _ := strconv.ParseUint(head[3], 10, 32)

	r.mu.Lock()
	r.contact = began
	is := false
	switch {
	case uint64(r.endedEpoch) != ended:
	case r.log == nil:
		is = epoch == 0
	case uint64(l.epoch) == epoch && l.top > top: // Redis has lost what the replica had
	case uint64(r.log.Epoch()) == epoch && r.recent.top >= top:
		// The replica may have heard more meanwhile.
		tag, known := r.recent.at(top)
		is = known && tagText(tag) == head[2]
	}
	current := is && r.state == replicaCurrent
	if !is {
		r.move(replicaMissed)
	}
	r.mu.Unlock()
	if !current {
		r.wake(store.TopicNewsEntries | store.TopicNewsMembers)
	}
}

// reconcile makes Redis have the entrances of this node. One that is just being made or
// removed is no difference: two looks must find it, unless the lease had expired.
func (ts *topics) reconcile(ctx context.Context, p *presentHere, head []string, alive bool) {
	n, _ := strconv.Atoi(head[4])
	ts.mu.Lock()
	differs := n != len(p.entrances)
	again := differs && (p.differs || !alive)
	p.differs = differs && !again
	empty := n == 0 && len(p.entrances) == 0
	if empty && p.empty && ts.present[p.h.name] == p {
		delete(ts.present, p.h.name)
	}
	p.empty = empty
	all := maps.Clone(p.entrances)
	ts.mu.Unlock()
	if !again {
		return
	}

	if n > len(all) {
		fields := make([]string, 0, len(all))
		for e := range all {
			fields = append(fields, e.field())
		}
		_, _ = p.h.step(ctx, "keep", fields...) // if it fails, another look finds them
		return
	}
	for e, how := range all {
		ts.mu.RLock()
		_, still := p.entrances[e]
		ts.mu.RUnlock()
		if !still {
			continue
		}
		switch a, err := p.h.enter(ctx, e, how.info, how.log); {
		case err == nil:
			ts.entersAgain(p.h, e, entered{a.epoch(3), how.info})
		case errors.Is(err, store.ErrNotFound):
			ts.ended(p.h.name, how.log)
		default:
			return
		}
	}
}

// vacate gives up the leases of this node, and its entrances.
func (ts *topics) vacate() {
	ts.mu.Lock()
	byShard := make(map[int][]string)
	for name, p := range ts.present {
		byShard[p.h.shard] = append(byShard[p.h.shard], name, p.h.age())
	}
	clear(ts.present)
	ts.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), ts.s.o.Timeout)
	defer cancel()
	for shard, args := range byShard {
		_, _ = ts.s.topicStep(ctx, shard, "vacate", newOp(), 0, args) // if this fails, the leases expire
	}
}
