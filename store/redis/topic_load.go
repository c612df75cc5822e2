package redis

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// load makes the replica what Redis has, for a reader at c. It is called with the lock
// held, and gives it up meanwhile. Calls that wait for each other share one load and its
// error, if it began after all of them.
func (r *replica) load(ctx context.Context, seen uint64, c *store.TopicCursor) error {
	if err := r.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-r.turn }()

	for range patience {
		switch {
		case r.failed > seen:
			return r.failure
		case r.log != nil && (r.confirmed > seen || r.readable(seen) && !r.behind(c)):
			return nil
		}
		diverged, err := r.loadOnce(ctx, c.At.Epoch)
		if err != nil || !diverged {
			return err
		}
		// Redis has lost messages that this node has. They go on under another epoch.
		epoch := r.log.Epoch()
		r.mu.Unlock()
		_, err = r.h.step(ctx, "diverge", someEpoch(), epochText(epoch))
		r.mu.Lock()
		if err != nil {
			return err
		}
		r.log, r.recent = nil, recentTags{}
	}
	return errRestless
}

// takeTurn waits until nobody else loads. It is called with the lock held, and gives it
// up meanwhile.
func (r *replica) takeTurn(ctx context.Context) error {
	r.mu.Unlock()
	defer r.mu.Lock()
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// loadOnce asks Redis for what it has beyond the replica. It reports whether that cannot
// follow what the replica has.
func (r *replica) loadOnce(ctx context.Context, reader uint32) (diverged bool, err error) {
	r.begun++
	n, before := r.begun, r.log
	known, top, tag := uint32(0), uint64(0), uint64(0)
	if before != nil {
		known, top, tag = before.Epoch(), r.recent.top, r.recent.last()
	}
	r.move(replicaLoads)

	r.mu.Unlock()
	a, err := r.h.step(ctx, "load", someEpoch(), epochText(known), tagText(tag), "0", epochText(reader))
	contact := time.Now()
	var got *topiclog.Log
	var tags recentTags
	if err == nil && a.text(0) == "all" {
		got, tags, err = r.h.decodeLog(a)
	}
	r.mu.Lock()

	heard := r.heard
	if err != nil {
		if ctx.Err() == nil {
			r.failed, r.failure = n, err
		}
		r.move(replicaNotLoaded)
		return false, err
	}
	switch {
	case a.text(0) == "none":
		r.log, r.recent = nil, recentTags{}
	case got != nil:
		if diverged = r.install(got, tags, known, top, tag); diverged {
			r.move(replicaNotLoaded)
			return true, nil
		}
	}
	if ended := a.epoch(2); ended != r.endedEpoch {
		r.ended, r.endedEpoch = nil, ended
	}
	r.lostEpoch, r.confirmed, r.contact = a.epoch(3), n, contact
	if r.log != nil {
		r.h.sees(r.log.Position())
	}

	r.move(replicaLoaded)
	for _, f := range heard {
		r.apply(f) // the watchers were woken when it was heard
	}
	return false, nil
}

// install replaces the log by what was loaded. When the load began, the replica had the
// messages of the epoch known up to top, the last one with that tag. It reports whether
// Redis has lost some of them.
func (r *replica) install(got *topiclog.Log, tags recentTags, known uint32, top, tag uint64) (diverged bool) {
	if r.log == nil || got.Epoch() != r.log.Epoch() {
		r.log, r.recent = got, tags
		return false
	}
	if got.Epoch() == known {
		if was, ok := tags.at(top); tags.top < top || ok && was != tag {
			return true
		}
	}
	if r.recent.top >= tags.top { // frames were heard meanwhile
		if was, ok := r.recent.at(tags.top); ok && was != tags.last() {
			return true
		}
		if r.recent.top > tags.top {
			return false
		}
	} else if !got.Continues(r.log) {
		return true
	}
	r.log, r.recent = got, tags
	return false
}

// loadEnded loads what is retained of the epoch that has ended. It is called with the
// lock held, and gives it up meanwhile.
func (r *replica) loadEnded(ctx context.Context) error {
	if err := r.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-r.turn }()
	epoch := r.endedEpoch
	if r.ended != nil || epoch == 0 {
		return nil
	}

	r.mu.Unlock()
	a, err := r.h.step(ctx, "load", someEpoch(), "0", "", epochText(epoch), "0")
	var got *topiclog.Log
	if err == nil && a.text(0) == "all" {
		got, _, err = r.h.decodeLog(a)
	}
	r.mu.Lock()
	switch {
	case err != nil:
		return err
	case r.endedEpoch != epoch:
	case got == nil: // it has left, or another one has ended since
		r.endedEpoch = 0
	default:
		r.ended = got
	}
	return nil
}

// decodeLog decodes what load answers.
func (h *topicHandle) decodeLog(a answer) (*topiclog.Log, recentTags, error) {
	saved := topiclog.Saved{Name: h.hash, Epoch: a.epoch(4), Top: a.seq(5), Base: a.seq(6)}
	var tags recentTags
	all := a.text(7)
	first := saved.Top - uint64(len(all)/8) + 1
	for i := 0; i+8 <= len(all); i += 8 {
		tags.add(first+uint64(i/8), binary.BigEndian.Uint64([]byte(all[i:])))
	}
	tags.top = saved.Top

	grown := make(map[uint64]*topiclog.SavedGrowth)
	for some := range slices.Chunk(a.list(10), 3) {
		if len(some) < 3 {
			return nil, tags, errTopicData
		}
		first, _ := strconv.ParseUint(some[0], 10, 64)
		g, err := savedGrowth(first, some[1], some[2])
		if err != nil {
			return nil, tags, err
		}
		grown[first] = g
	}
	for some := range slices.Chunk(a.list(8), 2) {
		if len(some) < 2 {
			return nil, tags, errTopicData
		}
		seq, _ := strconv.ParseUint(some[0], 10, 64)
		m, err := savedEntry(seq, some[1], grown)
		if err != nil {
			return nil, tags, err
		}
		saved.Messages = append(saved.Messages, m)
	}
	slices.SortFunc(saved.Messages, func(a, b topiclog.SavedMessage) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, record := range a.list(9) {
		m, err := savedGrowing(record, grown)
		if err != nil {
			return nil, tags, err
		}
		saved.Messages = append(saved.Messages, m)
	}
	return topiclog.Restore(&saved, h.bounds), tags, nil
}
