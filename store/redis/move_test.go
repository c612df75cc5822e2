package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// keys lists the keys under the prefix, except those that expire and the boot tags.
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

// world is two nodes, of which the first dies in the middle of a Move.
type world struct {
	*testing.T
	s, other *redis.Store
	before   store.Asked // a request with the old value, from before the Move
	got      []string    // what came to light when sessions ended
}

// end ends a session, which may not be there, and keeps what was in it.
func (w *world) end(id string, refuse time.Duration) {
	w.Helper()
	e, err := w.other.End(ctx, id, refuse)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		w.Errorf("End(%q): %v", id, err)
	}
	w.keep(e)
}

func (w *world) keep(e store.Ended) {
	for _, m := range e.Messages {
		w.got = append(w.got, string(m.Message.Data))
	}
}

// there is how Open answers on the node that lives.
func (w *world) there(id string, a store.Asked, create bool) error {
	_, _, err := w.other.Open(ctx, id, a, create, roomy)
	return err
}

// somebody is a caller that comes after the node has died, with what it must see. moved
// says whether the session had its new id by then, as its old handle says.
type somebody struct {
	name string
	come func(w *world, from, to string, how store.Moving, moved bool)
}

var finishers = []somebody{
	{"the old id", func(w *world, from, to string, how store.Moving, moved bool) {
		// It is told to come back where it came too early to know where it is now.
		var is store.Standing
		err := store.ErrMoved
		for n := 0; n < 2 && errors.Is(err, store.ErrMoved); n++ {
			var no error
			if is, no = w.other.Resolve(ctx, from, w.before, "client"); no != nil {
				w.Fatal(no)
			}
			if is.State != store.StateGood {
				break
			}
			err = w.there(is.ID, w.before, true)
		}
		switch {
		case !moved && (err != nil || is.ID != from):
			w.Errorf("the old id, not moved: %+v, %v", is, err)
		case moved && how.Refuse == 0 && (err != nil || is.ID != to):
			w.Errorf("the old id, replaced: %+v, %v", is, err)
		case moved && how.Refuse > 0 && is.State != store.StateSettling:
			w.Errorf("the old id, rotated: %+v, %v", is, err)
		}
	}},
	{"the new id", func(w *world, from, to string, how store.Moving, moved bool) {
		if err := w.there(to, store.Asked{}, true); err != nil {
			w.Error(err)
		}
	}},
	{"the next Move", func(w *world, from, to string, how store.Moving, moved bool) {
		_, err := w.other.Move(ctx, from, to, how)
		if err != nil && !(moved && how.Refuse > 0 && errors.Is(err, store.ErrMoved)) {
			w.Errorf("Move again: %v", err)
		}
		if err := w.there(from, store.Asked{}, false); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("after the Move was repeated, the old id: %v", err)
		}
	}},
	{"Revoke of the old id", func(w *world, from, to string, how store.Moving, moved bool) {
		w.end(from, time.Hour)
		is, err := w.other.Resolve(ctx, from, w.before, "client")
		if err != nil || is.State != store.StateRevoked || is.ID != from {
			w.Errorf("the revoked id: %+v, %v", is, err)
		}
	}},
	{"Revoke of the new id", func(w *world, from, to string, how store.Moving, moved bool) {
		w.end(to, time.Hour)
		if err := w.there(to, store.Asked{}, false); !errors.Is(err, store.ErrNotFound) {
			w.Errorf("the revoked id: %v", err)
		}
	}},
	{"End of the new id", func(w *world, from, to string, how store.Moving, moved bool) {
		w.end(to, 0)
		if moved && len(w.got) == 0 {
			w.Error("a session that was on its way was not ended")
		}
	}},
	{"whoever looks", func(*world, string, string, store.Moving, bool) {}},
}

// A Move whose node dies before any of its steps has not begun, or is finished by the
// first caller that finds it. No message is lost or doubled, and no key is left. Once it
// has begun, handles of the old id are refused on both nodes. Once it is done, the old id
// makes and joins nothing.
func TestI12MoveInterrupted(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(4)
	settle := store.Moving{Settle: store.Settle}

	cases := []struct {
		name     string
		from, to string
		prepare  func(w world)
		joined   bool // there is a session under the new id
	}{
		{name: "within a shard", from: far[0], to: idBeside(far[0])},
		{name: "to another shard", from: far[0], to: far[1]},
		{name: "back to its own shard", from: far[1], to: far[0], prepare: func(w world) {
			if _, err := w.s.Move(ctx, far[0], far[1], settle); err != nil {
				w.Fatal(err)
			}
		}},
		{name: "on to a third shard", from: far[1], to: far[2], prepare: func(w world) {
			if _, err := w.s.Move(ctx, far[0], far[1], settle); err != nil {
				w.Fatal(err)
			}
		}},
		{name: "into a session of another shard", from: far[0], to: far[1], joined: true},
		{name: "into a session of its shard", from: far[0], to: idBeside(far[0]), joined: true},
		{
			name: "into a session that came from elsewhere", from: far[0], to: far[1], joined: true,
			prepare: func(w world) {
				if _, err := w.s.Move(ctx, far[1], far[3], settle); err != nil {
					w.Fatal(err)
				}
				if _, err := w.s.Move(ctx, far[3], far[1], settle); err != nil {
					w.Fatal(err)
				}
			},
		},
	}

	for _, tt := range cases {
		for _, who := range finishers {
			for _, refuse := range []time.Duration{0, time.Hour} {
				how := map[bool]string{true: "rotated", false: "replaced"}[refuse > 0]
				t.Run(tt.name+"/"+how+"/"+who.name, func(t *testing.T) {
					t.Parallel()
					for step := 0; ; step++ {
						prefix := fmt.Sprintf("%s-%d", strings.NewReplacer(" ", "-", "/", "-").Replace(t.Name()), step)
						o := redis.Options{Prefix: prefix}
						w := world{T: t, s: newStore(t, c, o), other: newStore(t, c, o)}

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

						if !interrupt(&w, c, step, tt.from, tt.to, refuse, who, tt.joined) {
							if step < 6 {
								t.Errorf("a Move of %d steps", step)
							}
							return
						}
					}
				})
			}
		}
	}
}

// interrupt makes the Move whose node dies before that step, and reports whether it did.
func interrupt(
	w *world, c rueidis.Client, step int, from, to string, refuse time.Duration, who somebody, joined bool,
) bool {
	now := w.s.Now()
	w.before = store.Asked{Signed: now.Add(-time.Hour), Came: now}
	handles := []store.Log{open(w, w.s, from), open(w, w.other, from)}
	for w.s.Now().Sub(now) < 2*time.Microsecond { // what is asked next is asked later
	}
	n := 0
	w.s.Cut(func() bool { n++; return n > step })
	asked := store.Asked{Signed: w.s.Now(), Came: w.s.Now()}
	how := store.Moving{Asked: asked, Client: "client", Keep: time.Hour, Settle: store.Settle, Refuse: refuse}
	_, err := w.s.Move(ctx, from, to, how)
	where := fmt.Sprintf("cut before step %d (%v)", step, err)

	// The old handles are good, or not, on both nodes.
	want := []string{"1", "2"}
	if joined {
		want = append(want, "x")
	}
	m := store.Text("late")
	w.s.Cut(nil)
	_, err1 := handles[0].Append(ctx, &m, "")
	moved := err1 != nil
	if err1 == nil {
		want = append(want, "late")
	}
	if moved != (step > 2 || err == nil) || moved && !errors.Is(err1, store.ErrMoved) {
		w.Errorf("%s: Append by the old handle: %v", where, err1)
	}

	who.come(w, from, to, how, moved)
	if moved {
		for _, h := range handles {
			if _, err := h.Append(ctx, &m, ""); !errors.Is(err, store.ErrMoved) {
				w.Errorf("%s: Append by an old handle in the end: %v", where, err)
			}
		}
	}
	redis.Hurry(w.other)
	for range 3 {
		due, err := w.other.Expired(ctx, 100)
		if err != nil {
			w.Fatal(err)
		}
		for _, e := range due.Ended {
			w.keep(e)
		}
	}

	// Once it is done, the old id is unsettled, perhaps revoked, and has no session.
	if moved && !strings.HasPrefix(who.name, "Revoke") {
		if err := w.there(from, w.before, true); !errors.Is(err, store.ErrMoved) {
			w.Errorf("%s: a request from before opens the old id: %v", where, err)
		}
		late := store.Asked{Signed: w.before.Signed, Came: w.other.Now().Add(time.Minute)}
		is, err := w.other.Resolve(ctx, from, late, "")
		if state := map[bool]store.State{true: store.StateRevoked}[refuse > 0]; err != nil || is.State != state {
			w.Errorf("%s: the old value, later: %+v, %v", where, is, err)
		}
	}
	w.end(from, 0)
	w.end(to, 0)
	slices.Sort(w.got)
	slices.Sort(want)
	if !slices.Equal(w.got, want) {
		w.Errorf("%s: %q, want %q", where, w.got, want)
	}
	if left := keys(w, c, w.s.Prefix()); len(left) > 0 {
		w.Errorf("%s: left %q", where, left)
	}
	return err != nil
}

func put(t testing.TB, l store.Log, all ...string) {
	t.Helper()
	for _, s := range all {
		m := store.Text(s)
		if _, err := l.Append(ctx, &m, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// The end of a session whose id lies in another shard, cut off before any step, leaves
// nothing either.
func TestI11EndInterrupted(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	far := idsOfShards(2)

	for step := 0; ; step++ {
		prefix := fmt.Sprint("end-", step)
		s, other := newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})
		put(t, open(t, s, far[0]), "1")
		if _, err := s.Move(ctx, far[0], far[1], store.Moving{Settle: store.Settle}); err != nil {
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
			if _, err := other.End(ctx, far[1], 0); err != nil && !errors.Is(err, store.ErrNotFound) {
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

// Two sessions that swap their ids, and many that move at once, end up somewhere, each
// once.
func TestI16MovesAtOnce(t *testing.T) {
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
				_, err := stores[i].Move(ctx, far[i], far[(i+1)%len(far)], store.Moving{Settle: store.Settle})
				if err == nil {
					_, err = stores[i].Move(ctx, far[(i+2)%len(far)], far[i], store.Moving{Settle: store.Settle})
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
			if _, _, err := stores[0].Open(ctx, id, store.Asked{}, false, roomy); err == nil {
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
