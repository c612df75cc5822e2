package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store/redis"
)

// keys lists what is in Redis under the prefix, but for what goes by itself and the boot tags.
func keys(t testing.TB, c rueidis.Client, prefix string) (all []string) {
	t.Helper()
	found, err := c.Do(ctx, c.B().Keys().Pattern("{"+prefix+".*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range found {
		ttl, err := c.Do(ctx, c.B().Pttl().Key(k).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		if ttl < 0 && !strings.HasSuffix(k, ":boot") {
			all = append(all, k)
		}
	}
	return all
}

// ids are so many ids of different shards, and one more of the first one's.
func idsOfShards(n int) (all []string) {
	seen := map[int]bool{}
	for i := 0; len(all) < n; i++ {
		id := fmt.Sprint("id", i)
		if !seen[redis.ShardOf(id)] {
			seen[redis.ShardOf(id)] = true
			all = append(all, id)
		}
	}
	return all
}

func idBeside(id string) string {
	for i := 0; ; i++ {
		if o := fmt.Sprint("beside", i); redis.ShardOf(o) == redis.ShardOf(id) {
			return o
		}
	}
}

// A Move whose node dies before any one of its steps is finished, or has not begun, whoever comes first: the client with the old id, one with the
// new id, the next Move, or whoever looks for what has expired. No message is lost, none doubled, and nothing is left.
func TestMoveInterrupted(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(4)
	type world struct {
		*testing.T
		s, other *redis.Store
	}
	cases := []struct {
		name     string
		from, to string
		prepare  func(w world)
		joined   bool // there is a session under the new id
	}{
		{name: "within a shard", from: far[0], to: idBeside(far[0])},
		{name: "to another shard", from: far[0], to: far[1]},
		{name: "back to its own shard", from: far[1], to: far[0], prepare: func(w world) {
			if err := w.s.Move(ctx, far[0], far[1], "", 0); err != nil {
				w.Fatal(err)
			}
		}},
		{name: "on to a third shard", from: far[1], to: far[2], prepare: func(w world) {
			if err := w.s.Move(ctx, far[0], far[1], "", 0); err != nil {
				w.Fatal(err)
			}
		}},
		{name: "into a session of another shard", from: far[0], to: far[1], joined: true},
		{name: "into a session of its shard", from: far[0], to: idBeside(far[0]), joined: true},
		{name: "into a session that came from elsewhere", from: far[0], to: far[1], joined: true, prepare: func(w world) {
			if err := w.s.Move(ctx, far[1], far[3], "", 0); err != nil {
				w.Fatal(err)
			}
			if err := w.s.Move(ctx, far[3], far[1], "", 0); err != nil {
				w.Fatal(err)
			}
		}},
	}
	finish := map[string]func(w world, from, to string){
		"the old id": func(w world, from, to string) {
			now, _, err := w.other.Resolve(ctx, from, time.Now(), "client")
			if err != nil {
				w.Fatal(err)
			}
			if _, _, err := w.other.Open(ctx, now, false, roomy); err != nil {
				w.Errorf("the client with the old id is sent to %q: %v", now, err)
			}
		},
		"the new id": func(w world, from, to string) {
			open(w, w.other, to)
		},
		"the next Move": func(w world, from, to string) {
			if err := w.other.Move(ctx, from, to, "client", time.Hour); err != nil {
				w.Error(err)
			}
			if _, _, err := w.other.Open(ctx, from, false, roomy); !errors.Is(err, session.ErrNotFound) {
				w.Errorf("after the Move was repeated, the old id: %v", err)
			}
		},
		"whoever looks": func(w world, from, to string) {},
	}
	for _, tt := range cases {
		for who, come := range finish {
			t.Run(tt.name+"/"+who, func(t *testing.T) {
				t.Parallel()
				for step := 0; ; step++ {
					prefix := fmt.Sprintf("%s-%d", strings.Map(func(r rune) rune {
						if r == ' ' || r == '/' {
							return '-'
						}
						return r
					}, t.Name()), step)
					w := world{t, newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})}
					first := tt.from
					if tt.prepare != nil && !tt.joined {
						first = far[0]
					}
					put(w, open(w, w.s, first), "1", "2")
					if tt.joined {
						put(w, open(w, w.s, tt.to), "x")
					}
					if tt.prepare != nil {
						tt.prepare(w)
					}
					n := 0
					w.s.Cut(func() bool { n++; return n > step })
					err := w.s.Move(ctx, tt.from, tt.to, "client", time.Hour)
					come(w, tt.from, tt.to)
					redis.Hurry(w.other)
					for range 3 {
						if _, e := w.other.Expired(ctx, 100); e != nil {
							t.Fatal(e)
						}
					}
					var got []string
					for _, id := range []string{tt.from, tt.to} {
						if _, _, err := w.other.Open(ctx, id, false, roomy); err == nil {
							got = append(got, texts(t, w.other, id)...)
						}
					}
					want := []string{"1", "2"}
					if tt.joined {
						want = []string{"x", "1", "2"}
						slices.Sort(got)
						slices.Sort(want)
					}
					if !slices.Equal(got, want) {
						t.Errorf("cut before step %d (%v): %q, want %q", step, err, got, want)
					}
					if left := keys(t, c, prefix); len(left) > 0 {
						t.Errorf("cut before step %d: left %q", step, left)
					}
					if err == nil {
						if step < 4 {
							t.Errorf("a Move of %d steps", step)
						}
						return
					}
				}
			})
		}
	}
}

func put(t testing.TB, l session.Log, all ...string) {
	t.Helper()
	for _, s := range all {
		m := session.Text(s)
		if _, err := l.Append(ctx, &m, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// The end of a session whose id lies in another shard, cut off before any step, leaves nothing either.
func TestEndInterrupted(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(2)
	for step := 0; ; step++ {
		prefix := fmt.Sprint("end-", step)
		s, other := newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})
		put(t, open(t, s, far[0]), "1")
		if err := s.Move(ctx, far[0], far[1], "", 0); err != nil {
			t.Fatal(err)
		}
		n := 0
		s.Cut(func() bool { n++; return n > step })
		e, err := s.End(ctx, far[1], time.Minute)
		redis.Hurry(other)
		for range 3 {
			if _, err := other.Expired(ctx, 100); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			if _, err := other.End(ctx, far[1], 0); err != nil && !errors.Is(err, session.ErrNotFound) {
				t.Fatal(err)
			}
		} else if len(e.Messages) != 1 {
			t.Errorf("cut before step %d: ended with %v", step, e.Messages)
		}
		if left := keys(t, c, prefix); len(left) > 0 {
			t.Errorf("cut before step %d: left %q", step, left)
		}
		if n <= step {
			return
		}
	}
}

// Two sessions that change their ids for each other's, and many that move at once, end somewhere, each once.
func TestMovesAtOnce(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(5)
	const rounds = 10
	for round := range rounds {
		prefix := fmt.Sprint("swap-", round)
		var stores []*redis.Store
		for range far {
			stores = append(stores, newStore(t, c, redis.Options{Prefix: prefix, Timeout: 20 * time.Second}))
		}
		var want []string
		for _, id := range far {
			put(t, open(t, stores[0], id), id)
			want = append(want, id)
		}
		done := make(chan error)
		for i := range far {
			go func() {
				err := stores[i].Move(ctx, far[i], far[(i+1)%len(far)], "", 0)
				if err == nil {
					err = stores[i].Move(ctx, far[(i+2)%len(far)], far[i], "", 0)
				}
				done <- err
			}()
		}
		for range far {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		var got []string
		for _, id := range far {
			if _, _, err := stores[0].Open(ctx, id, false, roomy); err == nil {
				got = append(got, texts(t, stores[0], id)...)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("round %d: %q, want %q", round, got, want)
		}
		if left := keys(t, c, prefix); len(left) > 0 {
			t.Errorf("round %d: left %q", round, left)
		}
	}
}
