package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// Every client that a loss in Redis affects is told of it, once.

func TestKilledWithoutPersistence(t *testing.T) {
	t.Parallel()
	// Everything is gone: each client gets exactly one stated reset.
	server := startServer(t)
	n := newNode(t, server.addr, "gone", redis.Options{Timeout: 2 * time.Second}, session.Options{})

	var clients []*client
	for i := range 10 {
		c := &client{t: t, id: fmt.Sprint("c", i)}
		l := c.attach(n.Manager)
		if _, err := n.Send(ctx, c.id, store.Text("x")); err != nil {
			t.Fatal(err)
		}
		c.take(l)
		l.Close()
		clients = append(clients, c)
	}

	server.kill()
	server.start()
	for _, c := range clients {
		c.why = nil
		for range 3 {
			l := c.attach(n.Manager)
			if _, err := n.Send(ctx, c.id, store.Text("y")); err != nil {
				t.Fatal(err)
			}
			c.take(l)
			l.Close()
		}

		if !slices.Equal(c.why, []store.Missing{store.MissingRestarted}) ||
			!slices.Equal(c.got, []string{"x", "y", "y", "y"}) {
			t.Errorf("%s: resets %q, messages %q", c.id, c.why, c.got)
		}
	}
}

func TestKilledWithSnapshot(t *testing.T) {
	t.Parallel()
	// Everything since the last snapshot is gone. Each client is told once: one that has
	// nothing of it resumes, one that has more than Redis is ahead, or diverged if the
	// numbers were given out again, and one whose session is gone starts from the
	// beginning.
	server := startServer(t, "--dbfilename", "dump.rdb")
	n := newNode(t, server.addr, "rdb", redis.Options{Timeout: 2 * time.Second}, session.Options{})

	attach := func(id string) *client {
		c := &client{t: t, id: id}
		l := c.attach(n.Manager)
		say(t, n, id, id+"1", id+"2")
		c.take(l)
		if err := c.ackOnly(n.Manager, l); err != nil {
			t.Fatal(err)
		}
		l.Close()
		return c
	}

	var old []*client
	for i := range 6 {
		old = append(old, attach(fmt.Sprint("old", i)))
	}
	server.do("SAVE")
	var young []*client
	for i := range 6 {
		young = append(young, attach(fmt.Sprint("young", i)))
	}

	for i, c := range old {
		if i%3 > 0 { // these get what will be lost
			l := c.attach(n.Manager)
			say(t, n, c.id, "lost3", "lost4")
			c.take(l)
			l.Close()
		}
	}

	server.kill()
	server.start()
	for i, c := range old {
		want, got := []store.Missing(nil), []string{c.id + "1", c.id + "2", "new"}
		switch i % 3 {
		case 1:
			want, got = []store.Missing{store.MissingAhead}, []string{c.id + "1", c.id + "2", "lost3", "lost4", "new"}
		case 2: // others have been told its numbers since
			say(t, n, c.id, "new3", "new4")
			want = []store.Missing{store.MissingDiverged}
			got = []string{c.id + "1", c.id + "2", "lost3", "lost4", "new3", "new4", "new"}
		}
		reset(t, n, c, want, got)
	}

	for _, c := range young { // its shard was empty then, or held somebody else's
		reset(t, n, c, []store.Missing{store.MissingExpired}, []string{c.id + "1", c.id + "2", "new"})
	}
}

func say(t testing.TB, n node, id string, all ...string) {
	t.Helper()
	for _, s := range all {
		if _, err := n.Send(ctx, id, store.Text(s)); err != nil {
			t.Fatal(err)
		}
	}
}

// reset lets the client come back three times, and be told want in all.
func reset(t *testing.T, n node, c *client, want []store.Missing, got []string) {
	t.Helper()
	c.why = nil
	for i := range 3 {
		l := c.attach(n.Manager)
		if i == 0 {
			say(t, n, c.id, "new")
		}
		c.take(l)
		if err := c.ackOnly(n.Manager, l); err != nil {
			t.Errorf("%s: %v", c.id, err)
		}
		l.Close()
	}
	for i, why := range c.why {
		if why == store.MissingRestarted {
			c.why[i] = store.MissingExpired
		}
	}
	if !slices.Equal(c.why, want) {
		t.Errorf("%s was told %q, want %q", c.id, c.why, want)
	}
	if !slices.Equal(c.got, got) {
		t.Errorf("%s got %q, want %q", c.id, c.got, got)
	}
}

// A replica without the last entries takes over: clients that have them are told.
func TestReplicaTakesOver(t *testing.T) {
	t.Parallel()
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	host, port, _ := net.SplitHostPort(primary.addr)
	replica.do("REPLICAOF", host, port)

	synced := func() { // the replica has everything
		until(t, "the replica follows", func() bool {
			return strings.Contains(replica.do("INFO", "replication"), "master_link_status:up") &&
				primary.do("WAIT", "1", "1000") == "1"
		})
	}
	synced()

	proxy := miragetest.NewProxy(t, primary.addr)
	before := newNode(t, proxy.Addr(), "failover", redis.Options{Timeout: 2 * time.Second},
		session.Options{Logger: slog.New(slog.DiscardHandler)})
	after := newNode(t, replica.addr, "failover", redis.Options{}, session.Options{})
	had, ahead, behind := &client{t: t, id: "had"}, &client{t: t, id: "ahead"}, &client{t: t, id: "behind"}

	for _, c := range []*client{had, ahead, behind} {
		l := c.attach(before.Manager)
		say(t, before, c.id, "1")
		c.take(l)
		if err := c.ackOnly(before.Manager, l); err != nil {
			t.Fatal(err)
		}
		l.Close()
	}

	synced()
	replica.do("CLIENT", "KILL", "TYPE", "master")
	replica.do("REPLICAOF", "NO", "ONE") // from now on the primary writes alone
	for _, c := range []*client{had, ahead} {
		l := c.attach(before.Manager)
		say(t, before, c.id, "old", "older")
		c.take(l)
		l.Close()
	}

	proxy.Hole()
	say(t, after, "had", "new", "newer", "newest")
	reset(t, after, had, []store.Missing{store.MissingDiverged},
		[]string{"1", "old", "older", "new", "newer", "newest", "new"})
	reset(t, after, ahead, []store.Missing{store.MissingAhead}, []string{"1", "old", "older", "new"})
	reset(t, after, behind, nil, []string{"1", "new"})
}

func TestFailoverIsDiverged(t *testing.T) {
	t.Parallel()
	// A replica without the last entries does this: it gives out their numbers again,
	// under the same epoch.
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	l := open(t, s, "a")
	put := func(text string) store.Position {
		m := store.Text(text)
		p, err := l.Append(ctx, &m, "")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	a, err := l.Attach(ctx, store.Claim{Reader: "live"})
	if err != nil {
		t.Fatal(err)
	}

	p := put("1")
	before := map[string]string{}
	for _, k := range []string{s.Key("s", p.Epoch), s.Key("m", p.Epoch), s.Heads(p.Epoch)} {
		if before[k], err = c.Do(ctx, c.B().Dump().Key(k).Build()).ToString(); err != nil {
			t.Fatal(err)
		}
	}

	put("old-2")
	old := put("old-3")
	if got, _, err := l.Read(ctx, a.Link, 0, 1<<20, nil); err != nil || len(got) != 3 {
		t.Fatalf("Read = %v, %v", got, err)
	}

	for k, v := range before {
		if err := c.Do(ctx, c.B().Restore().Key(k).Ttl(0).SerializedValue(v).Replace().Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}

	if err := l.Ack(ctx, a.Link, old); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Ack of what is lost: %v; want ErrNotFound, so that the client opens a new link: "+
			"at ErrAhead it would stop", err)
	}
	poll := store.Claim{Reader: "live", Link: a.Link.Number, Given: store.GivenPresented, Position: old}
	if _, err := l.Attach(ctx, poll); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a poll goes on after what is lost: %v; want ErrNotFound, as above", err)
	}
	lie := store.Position{Epoch: old.Epoch, Seq: old.Seq}
	if err := l.Ack(ctx, a.Link, lie); !errors.Is(err, store.ErrAhead) {
		t.Errorf("Ack of what never was: %v; want ErrAhead", err)
	}

	claim := store.Claim{Reader: "r1", Given: store.GivenPresented, Position: old}
	at, err := l.Attach(ctx, claim)
	if err != nil || at.Reason != store.MissingAhead {
		t.Errorf("before the numbers are given again: %q, %v; want ahead", at.Reason, err)
	}

	put("new-2")
	put("new-3")
	claim.Reader = "r2"
	at, err = l.Attach(ctx, claim)
	if err != nil || at.Reason != store.MissingDiverged || at.Resumed {
		t.Errorf("afterwards: %q, %v; want diverged", at.Reason, err)
	}

	if _, _, err := l.Read(ctx, a.Link, 3, 1<<20, nil); !errors.Is(err, store.ErrRenewed) {
		t.Errorf("a live link reads on: %v; want it sent away, to come back and be told", err)
	}
	if err := l.Ack(ctx, a.Link, old); err != nil {
		t.Errorf("Ack of what is lost: %v", err)
	}
	if got := texts(t, s, "a"); len(got) != 3 && len(got) != 2 {
		t.Errorf("an acknowledgement of the lost history took away %q", got)
	}
}

// Redis loses data under clients that have links: each is told to reconnect, not to stop,
// and is told of the loss once.
func TestLossUnderLiveLinks(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	o := redis.Options{Timeout: 2 * time.Second, SafetyRead: 200 * time.Millisecond}
	n := newNode(t, server.addr, "live", o, session.Options{})
	del := func(kind string) func(store.Position) {
		return func(p store.Position) { server.do("DEL", n.store.Key(kind, p.Epoch)) }
	}

	for _, tt := range []struct {
		name string
		lose func(store.Position)
		want []store.Missing
		end  session.End
	}{
		{"the entries", del("m"), nil, ""},
		{"the state", del("s"), []store.Missing{store.MissingExpired}, session.EndRenewed},
		{"the state and the directory", func(p store.Position) {
			del("s")(p)
			server.do("DEL", n.store.Directory("the state and the directory"))
		}, []store.Missing{store.MissingExpired}, session.EndRenewed},
		{"the directory", func(store.Position) { server.do("DEL", n.store.Directory("the directory")) }, nil, ""},
		{"everything", func(store.Position) {
			server.do("FLUSHALL")
		}, []store.Missing{store.MissingRestarted}, session.EndRenewed},
		{"Redis", func(store.Position) {
			server.kill()
			server.start()
		}, []store.Missing{store.MissingRestarted}, session.EndRenewed},
	} {
		c := &client{t: t, id: tt.name}
		l := c.attach(n.Manager)
		say(t, n, c.id, "1", "2")
		c.take(l)
		if err := c.ackOnly(n.Manager, l); err != nil {
			t.Fatal(err)
		}

		p, err := store.ParsePosition(c.pos)
		if err != nil {
			t.Fatal(err)
		}
		c.why = nil
		tt.lose(p)

		limit, cancel := context.WithTimeout(ctx, 20*time.Second)
		var b session.Batch
		for tt.end != "" && b.End == "" {
			if err := l.Next(limit, &b); err != nil && !errors.Is(err, store.ErrUncertain) {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
		cancel()

		if b.End != tt.end {
			t.Errorf("%s: the link ended as %q, want %q", tt.name, b.End, tt.end)
		}
		l.Close()

		for i := range 3 {
			l := c.attach(n.Manager)
			if i == 0 {
				say(t, n, c.id, "3")
			}
			c.take(l)
			l.Close()
		}
		if !slices.Equal(c.why, tt.want) || !slices.Equal(c.got, []string{"1", "2", "3"}) {
			t.Errorf("%s: told %q, got %q; want %q and 1 2 3", tt.name, c.why, c.got, tt.want)
		}
	}
}
