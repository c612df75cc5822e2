package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// pairs are ids that lie in one shard, and in two.
func pairs() map[string][2]string {
	far := idsOfShards(2)
	return map[string][2]string{"near": {far[0], idBeside(far[0])}, "far": {far[0], far[1]}}
}

// One node rotates an id while another one still has its link. Nothing that comes by that
// link is accepted once Rotate has returned.
func TestI12RotateAtAnotherNode(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	for where, ids := range pairs() {
		t.Run(where, func(t *testing.T) {
			t.Parallel()

			var mu sync.Mutex
			var handled []string
			on := func(_ context.Context, s *session.Session, in session.Incoming) error {
				mu.Lock()
				defer mu.Unlock()
				handled = append(handled, string(in.Data))
				return nil
			}

			for round := range 20 {
				prefix := fmt.Sprint("rotate ", where, round)
				a := newNode(t, addr, prefix, redis.Options{}, session.Options{})
				b := newNode(t, addr, prefix, redis.Options{}, session.Options{OnMessage: on})
				l, err := b.Attach(ctx, session.Attach{ID: ids[0], Reader: "r"})
				if err != nil {
					t.Fatal(err)
				}

				up := func(n uint64, text string) error {
					_, err := b.Receive(ctx, session.Upstream{
						ID: ids[0], Link: l.Hello.Link, Writer: "w", Base: n,
						Messages: []session.Numbered{{Number: n, Message: store.Text(text)}},
					})
					return err
				}

				if err := up(1, "before"); err != nil {
					t.Fatal(err)
				}
				if err := a.Rotate(ctx, ids[0], ids[1], asked(a.store)); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Send(ctx, ids[1], store.Text("secret")); err != nil {
					t.Fatal(err)
				}

				if err := up(2, "after"); err == nil {
					t.Errorf("round %d: a message by the old link is taken", round)
				}
				var batch session.Batch
				if err := l.Take(ctx, &batch); err == nil && len(batch.Entries) > 0 {
					t.Errorf("round %d: the old link gets %s", round, batch.Entries[0].Message.Data)
				}
				if _, err := b.Send(ctx, ids[0], store.Text("lost")); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("round %d: Send to the old id: %v", round, err)
				}
				l.Close()
			}

			mu.Lock()
			defer mu.Unlock()
			if slices.Contains(handled, "after") {
				t.Errorf("handled %q", handled)
			}
		})
	}
}

// A node still holds a session that another node has moved. What it sends to the old id
// goes to the session that is made under that id, and only broadcasts go to the new id.
func TestI16StaleSession(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr
	for where, ids := range pairs() {
		t.Run(where, func(t *testing.T) {
			t.Parallel()

			x, y := ids[0], ids[1]
			a := newNode(t, addr, "stale "+where, redis.Options{}, session.Options{})
			b := newNode(t, addr, "stale "+where, redis.Options{}, session.Options{})
			l, err := b.Attach(ctx, session.Attach{ID: x, Reader: "r"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()

			if err := a.Move(ctx, x, y, ""); err != nil {
				t.Fatal(err)
			}

			if _, err := b.Send(ctx, x, store.Text("for nobody")); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Send to the old id without a session: %v", err)
			}
			if _, err := a.Open(ctx, x); err != nil {
				t.Fatal(err)
			}

			if sent, err := b.Broadcast(ctx, store.Text("to all")); err != nil || sent.Sessions != 2 {
				t.Errorf("Broadcast = %+v, %v", sent, err)
			}
			if _, err := b.Send(ctx, x, store.Text("for the new x")); err != nil {
				t.Errorf("Send to the old id's own session: %v", err)
			}

			for id, want := range map[string][]string{x: {"to all", "for the new x"}, y: {"to all"}} {
				if got := texts(t, a.store, id); !slices.Equal(got, want) {
					t.Errorf("%s has %q, want %q", id, got, want)
				}
			}
		})
	}
}

// A link of a session that has ended does not count in the next session of its id.
func TestI12LinkOfAnEarlierSession(t *testing.T) {
	t.Parallel()
	var got []string
	m := newNode(t, startServer(t).addr, "old link", redis.Options{}, session.Options{
		OnMessage: func(_ context.Context, _ *session.Session, in session.Incoming) error {
			got = append(got, string(in.Data))
			return nil
		},
	})

	a, err := m.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()

	pay := session.Upstream{
		ID: "x", Link: a.Hello.Link, Writer: "w", Base: 1,
		Messages: []session.Numbered{{Number: 1, Message: store.Text("pay")}},
	}

	if _, err := m.Receive(ctx, pay); err != nil { // its answer is lost
		t.Fatal(err)
	}
	if err := m.End(ctx, "x"); err != nil {
		t.Fatal(err)
	}

	b, err := m.Attach(ctx, session.Attach{ID: "x", Reader: "r", Position: a.Hello.Position.String()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	if _, err := m.Receive(ctx, pay); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the repeat by the old link: %v", err)
	}
	if !slices.Equal(got, []string{"pay"}) {
		t.Errorf("handled %q", got)
	}
}

// The new id is revoked while a session is on its way to it: that ends, its messages are
// handed to one caller, and no step is granted under either id.
func TestI13RevokedUnderWay(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for where, ids := range pairs() {
		for step, when := range []string{"look", "point", "begin", "leave", "claim", "done"} {
			for _, dies := range []bool{false, true} {
				name := fmt.Sprint(where, " before ", when, ", node dies: ", dies)
				t.Run(name, func(t *testing.T) {
					t.Parallel()

					x, y := ids[0], ids[1]
					prefix := strings.NewReplacer(" ", "-", ":", "", ",", "").Replace(name)
					s := newStore(t, c, redis.Options{Prefix: prefix})
					other := newStore(t, c, redis.Options{Prefix: prefix})
					old := open(t, s, x)
					put(t, old, "1")

					stolen := asked(other)
					var got []string
					keep := func(e store.Ended) {
						for _, m := range e.Messages {
							got = append(got, e.ID+":"+string(m.Message.Data))
						}
					}

					a := asked(s)
					revoke := func() {
						e, err := other.End(ctx, y, time.Hour)
						if err != nil && !errors.Is(err, store.ErrNotFound) {
							t.Errorf("End: %v", err)
						}
						keep(e)
					}

					n := 0
					s.Cut(func() bool {
						n++
						if n == step+1 {
							revoke()
						}
						return dies && n > step
					})
					_, err := s.Move(ctx, x, y, store.Moving{Asked: a, Settle: store.Settle, Refuse: time.Hour})
					s.Cut(nil)

					switch {
					case dies && !errors.Is(err, store.ErrUncertain):
						t.Errorf("Move of a node that died: %v", err)
					case !dies && step < 5 && !errors.Is(err, store.ErrRevoked):
						t.Errorf("Move: %v, want ErrRevoked", err)
					}

					redis.Hurry(other)
					for range 3 {
						due, err := other.Expired(ctx, 10)
						if err != nil {
							t.Fatal(err)
						}
						for _, e := range due.Ended {
							keep(e)
						}
					}

					_, _, errX := other.Open(ctx, x, store.Asked{}, false, roomy)
					_, _, errY := other.Open(ctx, y, stolen, true, roomy)
					if !errors.Is(errY, store.ErrRevoked) {
						t.Errorf("who has an old value of the new id opens it: %v", errY)
					}

					m := store.Text("2")
					_, errOld := old.Append(ctx, &m, "")
					if errX == nil { // nothing has changed
						if errOld != nil || len(got) > 0 {
							t.Errorf("it did not move: Append: %v, ended: %q", errOld, got)
						}
						return
					}
					if !errors.Is(errOld, store.ErrMoved) {
						t.Errorf("Append by the old handle: %v", errOld)
					}
					if want := []string{y + ":1"}; !slices.Equal(got, want) {
						t.Errorf("ended with %q, want %q", got, want)
					}
					if left := keys(t, c, prefix); len(left) > 0 {
						t.Errorf("left %q", left)
					}
				})
			}
		}
	}
}

// An id to which many others lead costs one key, and a Resolve that ends all their ways
// costs no more than with few.
func TestI6ManyWays(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	c := dial(t, server.addr)
	s := newStore(t, c, redis.Options{})

	costs := func(ids int) (commands int) {
		var wg sync.WaitGroup
		for worker := range 16 {
			wg.Go(func() {
				for i := worker; i < ids; i += 16 {
					how := store.Moving{Client: "client", Keep: time.Hour}
					if _, err := s.Move(ctx, fmt.Sprint("id", i), "account", how); err != nil {
						t.Errorf("Move: %v", err)
						return
					}
				}
			})
		}

		wg.Wait()
		if is, err := s.Resolve(ctx, "id7", store.Asked{}, "client"); err != nil || is.ID != "account" {
			t.Errorf("id7 leads to %+v, %v", is, err)
		}
		if n, err := c.Do(ctx, c.B().Strlen().Key(s.IDKey("o", "account")).Build()).AsInt64(); err != nil || n != 16 {
			t.Errorf("the token of the ways has %d bytes, %v", n, err)
		}

		server.do("CONFIG", "RESETSTAT")
		if _, err := s.Resolve(ctx, "account", store.Asked{}, "client"); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(server.do("INFO", "commandstats")) {
			command, rest, ok := strings.Cut(line, ":calls=")
			if ok && !strings.HasPrefix(command, "cmdstat_config") && command != "cmdstat_info" {
				var n int
				fmt.Sscan(rest, &n)
				commands += n
			}
		}

		for _, i := range []int{0, 7, ids - 1} {
			id := fmt.Sprint("id", i)
			if is, err := s.Resolve(ctx, id, store.Asked{}, "client"); err != nil || is.ID != id {
				t.Errorf("%s leads to %+v, %v", id, is, err)
			}
		}
		return commands
	}

	few, many := costs(10), costs(4000)
	if few != many || few == 0 {
		t.Errorf("Resolve of an id to which 10 lead is %d commands, with 4000 it is %d", few, many)
	}
}

// A way that has ended does not come into force again when the id in its middle is
// reused.
func TestI6EndedWayStaysEnded(t *testing.T) {
	t.Parallel()
	ids := idsOfShards(5)
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	move := func(from, to, client string) {
		t.Helper()
		if _, err := s.Move(ctx, from, to, store.Moving{Client: client, Keep: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	leads := func(id, to string) {
		t.Helper()
		if is, err := s.Resolve(ctx, id, store.Asked{}, "c"); err != nil || is.ID != to {
			t.Errorf("%s leads to %+v, %v; want %s", id, is, err, to)
		}
	}
	a, b, d, x, y := ids[0], ids[1], ids[2], ids[3], ids[4]
	for _, fresh := range []string{"moved to", "moved from"} {
		move(a, b, "c")
		move(b, d, "c")
		leads(a, d)
		leads(d, d) // presented: both have ended
		leads(a, a)
		if fresh == "moved to" {
			move(x, b, "c")
		} else {
			move(b, y, "c")
		}
		leads(a, a)
	}

	// One that has not goes on.
	move(a, b, "c")
	move(b, d, "c")
	move(x, b, "c")
	leads(a, b)
}

// Nor when the first question of a step of its Move comes late.
func TestI6EndedWayMeetsALateStep(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	late, err := redis.PointLate(s, "x", "y", "c")
	if err != nil {
		t.Fatal(err)
	}
	leads := func(id, to string) {
		t.Helper()
		if is, err := s.Resolve(ctx, id, store.Asked{}, "c"); err != nil || is.ID != to {
			t.Errorf("%s leads to %+v, %v; want %s", id, is, err, to)
		}
	}
	leads("x", "y")
	leads("y", "y") // presented
	leads("x", "x")
	if err := late(); err != nil {
		t.Fatal(err)
	}
	leads("x", "x")
}

// An id is revoked, and in use again when the first question of that comes late.
func TestI11LateEnd(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	for _, before := range []string{"a session", "none"} {
		if before == "a session" {
			open(t, s, before)
		}
		late, err := redis.EndLate(s, before)
		if err != nil {
			t.Fatal(err)
		}
		s.PassTime(time.Millisecond) // EndLate does not wait, as End does, until Now is later than the stamp
		a := asked(s)
		open(t, s, before)
		if err := late(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Open(ctx, before, a, false, store.Bounds{}); err != nil {
			t.Errorf("revoked with %s: what was signed later, and its session: %v", before, err)
		}
	}
}

// A moved session's state never expires on its own, because the directory of another
// shard names it.
func TestI12MovedStateStays(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for where, ids := range pairs() {
		s := newStore(t, c, redis.Options{Prefix: "stays-" + where})
		l := open(t, s, ids[0])
		key := s.Key("s", l.Handle().Epoch)
		ttl := func() int64 {
			n, err := c.Do(ctx, c.B().Pttl().Key(key).Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}

		if ttl() < 0 {
			t.Errorf("%s: one that has not moved stays for ever", where)
		}
		if _, err := s.Move(ctx, ids[0], ids[1], store.Moving{}); err != nil {
			t.Fatal(err)
		}
		put(t, open(t, s, ids[1]), "1")
		if n := ttl(); n != -1 {
			t.Errorf("%s: its state is gone in %d ms", where, n)
		}

		if _, err := s.End(ctx, ids[1], 0); err != nil {
			t.Fatal(err)
		}
		if n := ttl(); n < 0 {
			t.Errorf("%s: its tombstone stays: %d", where, n)
		}

		m := store.Text("2")
		if _, err := l.Append(ctx, &m, ""); !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s: after its end, a handle from before the Move: %v", where, err)
		}
	}
}

// A shard with many sessions is listed in pages, and sessions move meanwhile, within it
// and out of it: each is listed once.
func TestI16LogsInPages(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{Timeout: 20 * time.Second})

	var ids []string
	for i := 0; len(ids) < 600; i++ {
		if id := fmt.Sprint("page", i); redis.ShardOf(id) == 7 {
			ids = append(ids, id)
			open(t, s, id)
		}
	}

	moves := 0
	move := func(i int) {
		to := fmt.Sprint("to", moves)
		m := store.Moving{Client: "c", Keep: time.Hour, Settle: store.Settle}
		if _, err := s.Move(ctx, ids[i], to, m); err != nil {
			t.Fatal(err)
		}
		ids[i] = to
		moves++
	}

	m := store.Text("all")
	seen := map[store.Handle]int{}
	for l, err := range s.Logs(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		seen[l.Handle()]++
		if _, err := l.Append(ctx, &m, ""); err != nil {
			t.Fatalf("Append: %v", err)
		}
		move(moves * 7 % len(ids))
	}

	for h, n := range seen {
		if n != 1 {
			t.Errorf("%x is listed %d times", h.Epoch, n)
		}
	}
	if len(seen) != len(ids) || moves < len(ids) {
		t.Errorf("%d sessions are listed during %d moves, want %d", len(seen), moves, len(ids))
	}
	for _, id := range ids {
		if got := texts(t, s, id); !slices.Equal(got, []string{"all"}) {
			t.Fatalf("%s has %q", id, got)
		}
	}
}

// A full session of Logs returns its present id.
func TestI16FullSessionIsNamed(t *testing.T) {
	t.Parallel()
	ids := idsOfShards(2)
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	narrow := roomy
	narrow.MaxMessages = 1
	l, _, err := s.Open(ctx, ids[0], store.Asked{}, true, narrow)
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, "1")
	if _, err := s.Move(ctx, ids[0], ids[1], store.Moving{}); err != nil {
		t.Fatal(err)
	}
	for l, err := range s.Logs(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		m := store.Text("2")
		if _, err := l.Append(ctx, &m, ""); !errors.Is(err, store.ErrFull) || l.ID() != ids[1] {
			t.Errorf("Append to %s: %v; want ErrFull of %s", l.ID(), err, ids[1])
		}
	}
}

// A node dies while it joins one session to another. A broadcast that finds them so
// completes the join, and arrives once.
func TestI16BroadcastMeetsAJoin(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for where, ids := range pairs() {
		for step := range 9 {
			prefix := fmt.Sprint("join-", where, step)
			s, other := newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})

			put(t, open(t, s, ids[0]), "a")
			put(t, open(t, s, ids[1]), "b")
			n := 0
			s.Cut(func() bool { n++; return n > step })
			_, err := s.Move(ctx, ids[0], ids[1], store.Moving{})

			m, took := store.Text("all"), 0
			for l, err := range other.Logs(ctx) {
				if err != nil {
					t.Fatal(err)
				}
				switch _, err := l.Append(ctx, &m, ""); {
				case err == nil:
					took++
				case !errors.Is(err, store.ErrMoved):
					t.Errorf("%s, cut before step %d: Append: %v", where, step, err)
				}
			}

			redis.Hurry(other)
			for range 3 {
				if _, err := other.Expired(ctx, 10); err != nil {
					t.Fatal(err)
				}
			}

			var got []string
			sessions := 0
			for _, id := range ids {
				if _, _, err := other.Open(ctx, id, store.Asked{}, false, roomy); err == nil {
					sessions++
					got = append(got, texts(t, other, id)...)
				}
			}

			slices.Sort(got)
			want := []string{"a", "all", "b"}
			if sessions == 2 { // it has not begun
				want = []string{"a", "all", "all", "b"}
			}
			if !slices.Equal(got, want) || took == 0 {
				t.Errorf("%s, cut before step %d (%v): %q, want %q", where, step, err, got, want)
			}
			if err == nil && step < 7 {
				t.Errorf("%s: a join of %d steps", where, step)
			}
		}
	}
}

// Two messages that have their tag in common by chance are two.
func TestI16EqualTags(t *testing.T) {
	t.Parallel()
	ids := idsOfShards(2)
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	for i, text := range []string{"one", "another"} {
		m := store.Text(text)
		if err := redis.AppendTagged(open(t, s, ids[i]), &m, 1<<31|7); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Move(ctx, ids[0], ids[1], store.Moving{}); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s, ids[1]); !slices.Equal(got, []string{"another", "one"}) {
		t.Errorf("joined: %q", got)
	}
}

// A session ends before it has absorbed a frozen one. The frozen one continues, and a
// broadcast that finds it reaches it.
func TestI16BroadcastMeetsAFrozenSession(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for where, ids := range pairs() {
		prefix := fmt.Sprint("frozen-", where)
		s, other := newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})

		put(t, open(t, s, ids[0]), "a")
		put(t, open(t, s, ids[1]), "b")
		n := 0
		s.Cut(func() bool { n++; return n > 7 }) // it is frozen, and not absorbed
		if _, err := s.Move(ctx, ids[0], ids[1], store.Moving{}); !errors.Is(err, store.ErrUncertain) {
			t.Fatal(err)
		}

		if got := texts(t, other, ids[1]); !slices.Equal(got, []string{"b"}) {
			t.Fatalf("%s: the other session had %q", where, got)
		}

		m := store.Text("all")
		for l, err := range other.Logs(ctx) {
			if err == nil {
				_, err = l.Append(ctx, &m, "")
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) { // the one that has ended may be listed
				t.Fatalf("%s: %v", where, err)
			}
		}
		if got := texts(t, other, ids[1]); !slices.Equal(got, []string{"a", "all"}) {
			t.Errorf("%s: got %q", where, got)
		}
	}
}

// A value of the new id from before its last revocation does not count, wherever a Move
// to it is cut off.
func TestI13OldValueOfTheNewID(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for where, ids := range pairs() {
		for step := range 7 {
			prefix := fmt.Sprint("stolen-", where, step)
			s, other := newStore(t, c, redis.Options{Prefix: prefix}), newStore(t, c, redis.Options{Prefix: prefix})
			put(t, open(t, s, ids[0]), "secret")
			stolen := asked(s)
			if _, err := s.End(ctx, ids[1], time.Hour); !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}

			n := 0
			how := store.Moving{Asked: asked(s), Settle: store.Settle}
			s.Cut(func() bool { n++; return n > step })
			_, err := s.Move(ctx, ids[0], ids[1], how)

			if _, _, no := other.Open(ctx, ids[1], stolen, true, roomy); !errors.Is(no, store.ErrRevoked) {
				t.Errorf("%s, cut before step %d (%v): Open with an old value: %v", where, step, err, no)
			}
			l, _, no := other.Open(ctx, ids[1], store.Asked{}, true, roomy)
			if no != nil {
				t.Fatal(no)
			}
			if _, no := l.Attach(ctx, store.Claim{Reader: "r", Asked: stolen}); !errors.Is(no, store.ErrRevoked) {
				t.Errorf("%s, cut before step %d (%v): Attach with an old value: %v", where, step, err, no)
			}

			if step == 6 && err != nil {
				t.Errorf("%s: a Move of more than 6 steps: %v", where, err)
			}
		}
	}
}
