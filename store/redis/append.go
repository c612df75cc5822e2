package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/mirage-go/mirage/store"
)

// attempt identifies an append to its caller. If the time of an append ran out, and the
// caller makes it again with the same *Message, it is the same append: the second call
// waits for the outcome of the first.
type attempt struct {
	log, reader string
	message     *store.Message
}

type unknown struct {
	under *appending // way
	at    time.Time
}

// An append is remembered for a while after its call. At most uncertainMax are
// remembered.
const (
	uncertainFor = 10 * time.Second
	uncertainMax = 1024
)

func (s *Store) remember(which attempt, a *appending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, o := range s.uncertain {
		if time.Since(o.at) > uncertainFor {
			delete(s.uncertain, old)
		}
	}
	if len(s.uncertain) < uncertainMax {
		s.uncertain[which] = unknown{a, time.Now()}
	}
}

// recall returns the append that an earlier call has begun, or nil.
func (s *Store) recall(which attempt) *appending {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.uncertain[which]
	delete(s.uncertain, which)
	if !ok || time.Since(u.at) > uncertainFor {
		return nil
	}
	return u.under
}

// outcome waits until a is decided. known is false if the time runs out while it is under
// way.
func (a *appending) outcome(ctx context.Context, deadline time.Time) (known bool, err error) {
	select {
	case <-a.decided:
		return true, a.err
	default:
	}

	s := a.log.s
	limit := time.NewTimer(time.Until(deadline))
	defer limit.Stop()
	why := context.DeadlineExceeded
	select {
	case <-a.decided:
		return true, a.err
	case <-limit.C:
	case <-ctx.Done():
		why = ctx.Err()
	}
	never := s.lanesOf(a.log.shard).withdraw(a)
	return never, fmt.Errorf("%w: redis: append: %w", store.ErrUncertain, why)
}

// append is Append with an encoded message. It also returns append.lua's answer, which
// says more about a refusal.
func (l *log) append(
	ctx context.Context, m *store.Message, reader, entry string, tag uint32,
) (store.Position, answer, error) {
	if err := ctx.Err(); err != nil {
		return store.Position{}, nil, err
	}

	deadline := time.Now().Add(l.s.o.Timeout)
	which := attempt{l.hex, reader, m}
	a := l.s.recall(which)
	if a == nil {
		a = l.appending(entry, tag, escape(reader), l.sparse.Load())
		l.s.lanesOf(l.shard).submit(ctx, a)
	}

	known, err := a.outcome(ctx, deadline)
	again := func() {
		a = l.appending(a.entry, a.tag, a.reader, true)
		l.s.lanesOf(l.shard).submit(ctx, a)
		known, err = a.outcome(ctx, deadline)
	}
	full := func() bool { return known && a.answer.text(0) == "full" }

	left := known && err == nil && a.at.seq == 0 && a.answer == nil // by push.lua to append.lua
	if left || full() {
		l.s.reports.flush(ctx, l.hex)
		again()
	}
	// A broadcast does not wait for each full log.
	if full() && a.answer.num(2) == 1 && l.asks != "" && l.s.toldElsewhere(ctx) {
		again()
	}
	if known && a.answer.text(0) == "ok" {
		l.sparse.Store(a.answer.num(3) == 1)
	}

	switch {
	case !known:
		l.s.remember(which, a)
		l.wake() // it may have been appended
		fallthrough
	case err != nil:
		return store.Position{}, a.refusedWith(), err
	case a.at.seq > 0:
		return store.Position{Epoch: l.epoch, Seq: a.at.seq, Tag: a.tag}, nil, nil
	}
	return store.Position{Epoch: l.epoch, Seq: a.answer.seq(1), Tag: a.tag}, a.answer, nil
}

// refusedWith returns append.lua's answer if a is decided.
func (a *appending) refusedWith() answer {
	select {
	case <-a.decided:
		return a.answer
	default:
		return nil
	}
}
