package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// claims are the questions of this node to each shard for sessions that may have expired.
// If an answer is lost, the node repeats the question under the same number, so nothing
// that was claimed is lost while the node lives.
type claims struct {
	turn  chan struct{}  // a lock: the token is in it while nobody asks
	last  int64          // the number of the last question
	op    [shards]string // the question whose answer is missing, "" if none is
	heard [shards]string // the last question that was answered
}

func newClaims() claims {
	c := claims{turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// soonest is the least value of Due.Next. It bounds how often an idle node asks while
// many sessions expire one after another.
const soonest = 100 * time.Millisecond

// Expired implements store.Store.
func (s *Store) Expired(ctx context.Context, max int) (due store.Due, err error) {
	select {
	case <-s.claims.turn:
		defer func() { s.claims.turn <- struct{}{} }()
	case <-ctx.Done():
		return due, ctx.Err()
	}
	err = s.bounded(ctx, func(ctx context.Context) error { return s.expired(ctx, max, &due) })
	return due, err
}

// expired begins with a random shard each time, so that a shard that cannot be reached
// does not block the others.
func (s *Store) expired(ctx context.Context, max int, due *store.Due) error {
	if s.clock.old() { // here, because every node calls this regularly
		s.sample(ctx)
	}

	waits, err := s.waits(ctx)
	for i, first := 0, rand.IntN(shards); i < shards; i++ {
		shard := (first + i) % shards
		wait := waits[shard]
		if s.claims.op[shard] != "" { // an answer is missing
			wait = 0
		}

		for wait == 0 && len(due.Ended)+len(due.Left) < max {
			var e error
			if wait, e = s.claim(ctx, shard, due); e != nil {
				err = errors.Join(err, e)
				break
			}
		}

		if wait >= 0 && (due.Next == 0 || wait < due.Next) {
			due.Next = wait
			if due.Next < soonest {
				due.Next = soonest
			}
		}
	}

	return err
}

// waits asks all shards at once how long it is until one of their sessions is due. 0
// means now, negative means never. It costs Redis a microsecond for each shard.
func (s *Store) waits(ctx context.Context) (all [shards]time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()

	cmds := make(rueidis.Commands, shards)
	for i, base := range s.base {
		all[i] = -1
		cmds[i] = s.client.B().Zrange().Key(base + ":x").Min("0").Max("0").Withscores().Build()
	}

	first := s.client.DoMulti(ctx, cmds...)
	now, err := s.client.Do(ctx, s.client.B().Time().Build()).AsIntSlice()
	if err == nil && len(now) != 2 {
		err = errAnswer
	}
	if err != nil {
		return all, fmt.Errorf("%w: redis: looking for expired sessions: %w", store.ErrUncertain, err)
	}

	for i, r := range first {
		if x, e := r.AsZScores(); e != nil {
			err = fmt.Errorf("%w: redis: looking for expired sessions: %w", store.ErrUncertain, e)
		} else if len(x) > 0 {
			all[i] = max(0, time.Duration(int64(x[0].Score)-now[0]*1000-now[1]/1000)*time.Millisecond)
		}
	}

	return all, err
}

// claim asks one shard for one thing that is due, and adds it to due. wait has the
// meaning of the results of waits.
func (s *Store) claim(ctx context.Context, shard int, due *store.Due) (wait time.Duration, err error) {
	c := &s.claims
	if c.op[shard] == "" {
		c.op[shard] = newOp()
	}

	c.last++
	a, err := s.repeat(ctx, shard, "expire", c.op[shard], 0, []string{strconv.FormatInt(c.last, 10), c.heard[shard]})
	if err != nil {
		return -1, err
	}
	c.op[shard], c.heard[shard] = "", c.op[shard]

	switch a.text(0) {
	case "ok":
		over, err := s.ended(ctx, a)
		due.Ended = append(due.Ended, over)
		return 0, err
	case "left":
		names := a.list(3)
		for i := 0; i+1 < len(names); i += 2 {
			due.Left = append(due.Left, store.Left{
				ID:     unescape(a.text(1)),
				Reader: unescape(names[i]),
				Plain:  names[i+1] == "1",
			})
		}
		return 0, nil
	case "unsettled":
		_, err := s.forward(ctx, a.text(1), 0)
		return 0, err
	case "dropped":
		_, err := s.name(ctx, "drop", a.text(1), a.text(2))
		return 0, err
	}

	if n := a.num(1); n > 0 {
		return time.Duration(n) * time.Millisecond, nil
	}
	return -1, nil
}
