package redis_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// The bound of Redis's clock, by what its answers said.
func TestI13Clock(t *testing.T) {
	t.Parallel()
	said := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	between := func(t *testing.T, c *redis.Clock, low, high time.Time) {
		t.Helper()
		if now := c.Now(); now.Before(low) || now.After(high) {
			t.Errorf("Now is %v; want %v to %v", now.UTC(), low, high)
		}
	}
	const us = time.Microsecond

	t.Run("before the first answer it is the machine's, less a day", func(t *testing.T) {
		c := redis.NewClock(said)
		between(t, c, said.Add(-24*time.Hour), said.Add(-24*time.Hour))
	})

	t.Run("it goes on with the local time, less a thousandth, whatever the machine's clock", func(t *testing.T) {
		for _, wrong := range []time.Duration{-5 * time.Second, 0, 5 * time.Second, 24 * time.Hour} {
			c := redis.NewClock(said.Add(wrong))
			c.Learn(0, said, time.Millisecond)
			between(t, c, said.Add(us), said.Add(3*us))
			c.Local += time.Minute
			between(t, c, said.Add(time.Minute-61*time.Millisecond), said.Add(time.Minute-59*time.Millisecond))
		}
	})

	t.Run("the best of ten seconds counts", func(t *testing.T) {
		c := redis.NewClock(said)
		c.Learn(0, said, 0)
		c.Local += 9 * time.Second
		c.Learn(0, said.Add(8*time.Second), 0) // it took a second to get here
		between(t, c, said.Add(8900*time.Millisecond), said.Add(9*time.Second))
		c.Learn(0, said.Add(9*time.Second), 0)
		between(t, c, said.Add(9*time.Second), said.Add(9*time.Second+3*us))
	})

	t.Run("after that the next one, because Redis's clock was set back", func(t *testing.T) {
		c := redis.NewClock(said)
		c.Learn(0, said, 0)
		c.Local += 11 * time.Second
		back := said.Add(-time.Hour)
		c.Learn(0, back, 0)
		between(t, c, back, back.Add(3*us))
	})

	t.Run("but not one that was asked before it", func(t *testing.T) {
		c := redis.NewClock(said)
		c.Learn(0, said, 0)
		c.Local += 11 * time.Second
		c.Learn(0, said.Add(-time.Second), 12*time.Second)
		between(t, c, said.Add(10*time.Second), said.Add(11*time.Second))
	})

	t.Run("of several primaries the one that is behind", func(t *testing.T) {
		c := redis.NewClock(said)
		c.Learn(3, said, 0)
		c.Learn(7, said.Add(-5*time.Second), 0)
		c.Learn(9, said.Add(5*time.Second), 0)
		between(t, c, said.Add(-5*time.Second), said.Add(-5*time.Second+3*us))
	})
}

// The clocks of two nodes and of Redis differ: what was signed with Now before a
// revocation or a Rotate is refused, whichever node made them, and what is signed after
// them by that node is not.
func TestI13ClocksDiffer(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]time.Duration{
		"ahead": 5 * time.Second, "behind": -5 * time.Second, "a day behind": -24 * time.Hour,
	} {
		t.Run("nodes are "+name, func(t *testing.T) {
			t.Parallel()
			m := miniredis.RunT(t)
			var stores [2]*redis.Store
			for i := range stores {
				stores[i] = newStore(t, dial(t, m.Addr()), redis.Options{Prefix: "clocks", Timeout: 20 * time.Second})
			}

			tick := func(d time.Duration) { m.SetTime(time.Now().Add(d)) }
			tick(-wrong)
			for _, s := range stores { // they hear of it
				s.Shift(11 * time.Second)
				if _, err := s.Resolve(ctx, "a", store.Asked{}, ""); err != nil {
					t.Fatal(err)
				}
			}

			for round := range 50 {
				by, other := stores[round%2], stores[1-round%2]
				before := []store.Asked{asked(by), asked(other)}
				tick(-wrong) // miniredis stands still in between
				rotate := round%4 > 1
				if rotate {
					m := store.Moving{Settle: store.Settle, Refuse: time.Hour}
					if _, err := by.Move(ctx, "a", "b", m); err != nil {
						t.Fatal(err)
					}
				} else if _, err := by.End(ctx, "a", time.Hour); !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}

				after := asked(by)
				for _, a := range before {
					if is, err := other.Resolve(ctx, "a", a, ""); err != nil || is.State == store.StateGood {
						t.Fatalf("round %d: signed before: %+v, %v", round, is, err)
					}
				}
				if is, err := by.Resolve(ctx, "a", after, ""); err != nil || is.State != store.StateGood {
					t.Fatalf("round %d: signed after: %+v, %v", round, is, err)
				}
			}
		})
	}
}

func asked(s store.Store) store.Asked { now := s.Now(); return store.Asked{Signed: now, Came: now} }

// Redis's clock is set back: what the node that revokes has signed before is refused yet.
func TestI13ClockSetBack(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	s := newStore(t, dial(t, m.Addr()), redis.Options{Timeout: 20 * time.Second})
	before := asked(s)
	m.SetTime(time.Now().Add(-5 * time.Second))
	for range 3 {
		if _, err := s.End(ctx, "a", time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		after := asked(s)
		if is, err := s.Resolve(ctx, "a", before, ""); err != nil || is.State != store.StateRevoked {
			t.Errorf("signed before: %+v, %v", is, err)
		}
		if is, err := s.Resolve(ctx, "a", after, ""); err != nil || is.State != store.StateGood {
			t.Errorf("signed after: %+v, %v", is, err)
		}
		before = after
	}
	s.Shift(11 * time.Second)
	if _, err := s.Resolve(ctx, "a", before, ""); err != nil {
		t.Fatal(err)
	}
	if ahead := time.Until(s.Now()); ahead > -4*time.Second {
		t.Errorf("ten seconds later Now is still %v ahead of the machine's clock, which is 5s ahead of Redis's", ahead)
	}
}

// Without a Redis, Now is a day old, and needs none.
func TestI13NowWithoutRedis(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	c := dial(t, m.Addr())
	m.SetError("LOADING")
	s := redis.New(c, redis.Options{Logger: slog.New(slog.DiscardHandler)})
	defer s.Close()
	if age := time.Since(s.Now()); age < 23*time.Hour {
		t.Errorf("Now is %v old", age)
	}
	m.SetError("")
	if _, err := s.Resolve(ctx, "a", store.Asked{}, ""); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(s.Now()); age < 0 || age > time.Second {
		t.Errorf("after an answer Now is %v old", age)
	}
}
