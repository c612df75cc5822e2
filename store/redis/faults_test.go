package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store/redis"
)

var roomy = session.Bounds{Messages: 1000, Bytes: 1 << 20, Retention: time.Hour, Links: 32, Readers: 128, Writers: 32}

func open(t testing.TB, s session.Store, id string) session.Log {
	t.Helper()
	l, _, err := s.Open(ctx, id, true, roomy)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// texts is what is in a session, which it ends.
func texts(t testing.TB, s session.Store, id string) (all []string) {
	t.Helper()
	e, err := s.End(ctx, id, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Messages {
		all = append(all, string(m.Message.Data))
	}
	return all
}

func TestKilledWithAOF(t *testing.T) {
	for _, fsync := range []string{"always", "everysec"} {
		t.Run(fsync, func(t *testing.T) {
			t.Parallel()
			// kill -9: nothing that was acknowledged is lost, nothing repeated is doubled.
			server := startServer(t, "--appendonly", "yes", "--appendfsync", fsync)
			s := newStore(t, dial(t, server.addr), redis.Options{Timeout: time.Second})
			l := open(t, s, "a")
			killed := make(chan struct{})
			go func() {
				defer close(killed)
				time.Sleep(100 * time.Millisecond)
				server.kill()
				time.Sleep(100 * time.Millisecond)
				server.start()
			}()
			const all = 600
			uncertain := 0
			for i := range all {
				m := session.Text(fmt.Sprint(i))
				for {
					_, err := l.Append(ctx, &m, "")
					if err == nil {
						break
					}
					if !errors.Is(err, session.ErrUncertain) {
						t.Fatalf("Append: %v", err)
					}
					uncertain++
				}
				time.Sleep(500 * time.Microsecond)
			}
			<-killed
			t.Logf("%d calls were uncertain", uncertain)
			if got := texts(t, s, "a"); !slices.Equal(got, numbers(all)) {
				t.Errorf("%d messages, want %d in order, once each", len(got), all)
			}
		})
	}
}

func TestKilledWithoutPersistence(t *testing.T) {
	t.Parallel()
	// Everything is gone: each client gets exactly one stated reset.
	server := startServer(t)
	n := newNode(t, server.addr, "gone", redis.Options{Timeout: 2 * time.Second}, session.Options{})
	var clients []*client
	for i := range 10 {
		c := &client{t: t, id: fmt.Sprint("c", i)}
		l := c.attach(n.Manager)
		if err := n.Send(ctx, c.id, session.Text("x")); err != nil {
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
			if err := n.Send(ctx, c.id, session.Text("y")); err != nil {
				t.Fatal(err)
			}
			c.take(l)
			l.Close()
		}
		if !slices.Equal(c.why, []session.Missing{session.Restarted}) || !slices.Equal(c.got, []string{"x", "y", "y", "y"}) {
			t.Errorf("%s: resets %q, messages %q", c.id, c.why, c.got)
		}
	}
}

func TestKilledWithSnapshot(t *testing.T) {
	t.Parallel()
	// What was written after the last snapshot is gone. Each client is told once what became of it: one that has nothing of it resumes, one
	// that has more than Redis still knows is ahead, or diverged where the numbers were given anew, one whose session is gone begins anew.
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
		want, got := []session.Missing(nil), []string{c.id + "1", c.id + "2", "new"}
		switch i % 3 {
		case 1:
			want, got = []session.Missing{session.Ahead}, []string{c.id + "1", c.id + "2", "lost3", "lost4", "new"}
		case 2: // others have been told its numbers since
			say(t, n, c.id, "new3", "new4")
			want, got = []session.Missing{session.Diverged}, []string{c.id + "1", c.id + "2", "lost3", "lost4", "new3", "new4", "new"}
		}
		reset(t, n, c, want, got)
	}
	for _, c := range young { // its shard was empty then, or held somebody else's
		reset(t, n, c, []session.Missing{session.Expired}, []string{c.id + "1", c.id + "2", "new"})
	}
}

func say(t testing.TB, n node, id string, all ...string) {
	t.Helper()
	for _, s := range all {
		if err := n.Send(ctx, id, session.Text(s)); err != nil {
			t.Fatal(err)
		}
	}
}

// reset lets the client come back three times, and be told want in all.
func reset(t *testing.T, n node, c *client, want []session.Missing, got []string) {
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
		if why == session.Restarted {
			c.why[i] = session.Expired
		}
	}
	if !slices.Equal(c.why, want) {
		t.Errorf("%s was told %q, want %q", c.id, c.why, want)
	}
	if !slices.Equal(c.got, got) {
		t.Errorf("%s got %q, want %q", c.id, c.got, got)
	}
}

// A replica that has not seen the last entries takes over: who had them is told.
func TestReplicaTakesOver(t *testing.T) {
	t.Parallel()
	primary, replica := startServer(t, "--repl-diskless-sync-delay", "0"), startServer(t)
	host, port, _ := net.SplitHostPort(primary.addr)
	replica.do("REPLICAOF", host, port)
	synced := func() { // the replica has everything
		until(t, "the replica follows", func() bool {
			return strings.Contains(replica.do("INFO", "replication"), "master_link_status:up") && primary.do("WAIT", "1", "1000") == "1"
		})
	}
	synced()
	proxy := miragetest.NewProxy(t, primary.addr)
	before := newNode(t, proxy.Addr(), "failover", redis.Options{Timeout: 2 * time.Second}, session.Options{Logger: slog.New(slog.DiscardHandler)})
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
	reset(t, after, had, []session.Missing{session.Diverged}, []string{"1", "old", "older", "new", "newer", "newest", "new"})
	reset(t, after, ahead, []session.Missing{session.Ahead}, []string{"1", "old", "older", "new"})
	reset(t, after, behind, nil, []string{"1", "new"})
}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	proxy := miragetest.NewProxy(t, startServer(t).addr)
	const limit = time.Second
	s := newStore(t, dial(t, proxy.Addr()), redis.Options{Timeout: limit, SafetyRead: 500 * time.Millisecond})
	l := open(t, s, "a")
	a, err := l.Attach(ctx, session.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{}, 1)
	defer l.Watch(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})()
	m := session.Text("once")
	proxy.Hole()
	calls := map[string]func() error{
		"Append":  func() error { _, err := l.Append(ctx, &m, ""); return err },
		"Attach":  func() error { _, err := l.Attach(ctx, session.Claim{Reader: "q"}); return err },
		"Read":    func() error { _, _, err := l.Read(ctx, a.Link, 0, 100, nil); return err },
		"Ack":     func() error { return l.Ack(ctx, a.Link, a.Position) },
		"Detach":  func() error { _, err := l.Detach(ctx, session.LinkRef{Reader: "nobody"}); return err },
		"Leave":   func() error { _, err := l.Leave(ctx, "r", 9); return err },
		"Quit":    func() error { _, _, err := l.Quit(ctx, "nobody"); return err },
		"Begin":   func() error { _, _, err := l.Begin(ctx, "w", 1, 1, time.Minute); return err },
		"Commit":  func() error { return l.Commit(ctx, "w", 1, true) },
		"Open":    func() error { _, _, err := s.Open(ctx, "b", true, roomy); return err },
		"Resolve": func() error { _, _, err := s.Resolve(ctx, "b", time.Now(), ""); return err },
		"Move":    func() error { return s.Move(ctx, "x", "y", "", 0) },
		"End":     func() error { _, err := s.End(ctx, "x", 0); return err },
		"Expired": func() error { _, err := s.Expired(ctx, 1); return err },
	}
	type result struct {
		name string
		err  error
		took time.Duration
	}
	results := make(chan result)
	for name, call := range calls {
		go func() {
			began := time.Now()
			err := call()
			results <- result{name, err, time.Since(began)}
		}()
	}
	var worst time.Duration
	for range calls {
		r := <-results
		worst = max(worst, r.took)
		if !errors.Is(r.err, session.ErrUncertain) || r.took > 2*limit {
			t.Errorf("%s: %v after %v", r.name, r.err, r.took)
		}
	}
	t.Logf("the slowest call took %v; the limit is %v", worst, limit)
	proxy.Heal()
	until := time.Now().Add(20 * time.Second)
	for {
		if _, err = l.Append(ctx, &m, ""); err == nil || time.Now().After(until) {
			break
		}
	}
	if err != nil {
		t.Fatalf("Append after the hole: %v", err)
	}
	if _, _, err := l.Read(ctx, a.Link, 0, 100, nil); err != nil {
		t.Errorf("Read after the hole: %v", err)
	}
	// Another node's message wakes again.
	other := newStore(t, dial(t, proxy.Addr()), redis.Options{Prefix: s.Prefix()})
	far := open(t, other, "a")
	for heard := false; !heard; {
		if time.Now().After(until) {
			t.Fatal("nobody was woken after the hole")
		}
		select {
		case <-woken:
		default:
		}
		n := session.Text("far")
		if _, err := far.Append(ctx, &n, ""); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
			heard = true
		case <-time.After(time.Second):
		}
	}
	got := texts(t, s, "a")
	if len(got) == 0 || got[0] != "once" || slices.Contains(got[1:], "once") {
		t.Errorf("the log holds %.5q …; want the message of the hole once", got)
	}
}

func TestLateAnswer(t *testing.T) {
	t.Parallel()
	// Redis gets the append and answers too late; asked again, with or without an error in between, it does it once.
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 400 * time.Millisecond})
	l := open(t, s, "a")
	const all = 5
	for i := range all {
		server.cmd.Process.Signal(syscall.SIGSTOP)
		if i%2 == 0 { // the second attempt of the same call finds it
			time.AfterFunc(250*time.Millisecond, func() { server.cmd.Process.Signal(syscall.SIGCONT) })
		}
		m := session.Text(fmt.Sprint(i))
		_, err := l.Append(ctx, &m, "")
		server.cmd.Process.Signal(syscall.SIGCONT)
		for n := 0; err != nil; n++ {
			if !errors.Is(err, session.ErrUncertain) || n > 20 {
				t.Fatalf("Append: %v", err)
			}
			_, err = l.Append(ctx, &m, "")
		}
	}
	if got := texts(t, s, "a"); !slices.Equal(got, numbers(all)) {
		t.Errorf("the log holds %q; want each of %d once", got, all)
	}
}

func TestFailoverIsDiverged(t *testing.T) {
	t.Parallel()
	// What a replica that had not seen the last entries does: their numbers are given anew, under the same epoch.
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	l := open(t, s, "a")
	put := func(text string) session.Position {
		m := session.Text(text)
		p, err := l.Append(ctx, &m, "")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a, err := l.Attach(ctx, session.Claim{Reader: "live"})
	if err != nil {
		t.Fatal(err)
	}
	p := put("1")
	state, list := s.Key("s", p.Epoch), s.Key("m", p.Epoch)
	before := map[string]string{}
	for _, k := range []string{state, list} {
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
	claim := session.Claim{Reader: "r1", Given: session.Presented, Position: old}
	at, err := l.Attach(ctx, claim)
	if err != nil || at.Reason != session.Ahead {
		t.Errorf("before the numbers are given anew: %q, %v; want ahead", at.Reason, err)
	}
	put("new-2")
	put("new-3")
	claim.Reader = "r2"
	at, err = l.Attach(ctx, claim)
	if err != nil || at.Reason != session.Diverged || at.Resumed {
		t.Errorf("afterwards: %q, %v; want diverged", at.Reason, err)
	}
	if _, _, err := l.Read(ctx, a.Link, 3, 1<<20, nil); !errors.Is(err, session.ErrRenewed) {
		t.Errorf("a live link reads on: %v; want it sent away, to come back and be told", err)
	}
	if err := l.Ack(ctx, a.Link, old); err != nil {
		t.Errorf("Ack of what is lost: %v", err)
	}
	if got := texts(t, s, "a"); len(got) != 3 && len(got) != 2 {
		t.Errorf("an acknowledgement of the lost history took away %q", got)
	}
}

func TestNoMemory(t *testing.T) {
	t.Parallel()
	// A full Redis refuses, changes nothing by halves, and can still be emptied.
	c := dial(t, startServer(t).addr)
	limit := func(bytes string) {
		t.Helper()
		if err := c.Do(ctx, c.B().ConfigSet().ParameterValue().ParameterValue("maxmemory", bytes).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	s := newStore(t, c, redis.Options{})
	l := open(t, s, "stays")
	a, err := l.Attach(ctx, session.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	m := session.Text("kept")
	p, err := l.Append(ctx, &m, "")
	if err != nil {
		t.Fatal(err)
	}
	brief := roomy
	brief.Retention = time.Millisecond
	goes, _, err := s.Open(ctx, "goes", true, brief)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := goes.Append(ctx, &m, ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	limit("1")
	if _, err := l.Append(ctx, &m, ""); !errors.Is(err, session.ErrFull) {
		t.Errorf("Append: %v, want ErrFull", err)
	}
	if _, _, err := s.Open(ctx, "new", true, roomy); !errors.Is(err, session.ErrBudget) {
		t.Errorf("Open: %v, want ErrBudget", err)
	}
	if err := l.Ack(ctx, a.Link, p); err != nil {
		t.Errorf("Ack, which frees memory: %v", err)
	}
	due, err := s.Expired(ctx, 10)
	if ended := due.Ended; err != nil || len(ended) != 1 || ended[0].ID != "goes" || len(ended[0].Messages) != 1 {
		t.Errorf("Expired = %v, %v; want what was in goes", ended, err)
	}
	limit("0")
	if p, err := l.Append(ctx, &m, ""); err != nil || p.Seq != 2 {
		t.Errorf("Append = %v, %v; want seq 2", p, err)
	}
}

func TestFirstQuestionComesLast(t *testing.T) {
	t.Parallel()
	// The first attempt is held up on a connection of its own and arrives after the second one: it finds the append done, acknowledged or not.
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	l := open(t, s, "a")
	for i := range 5 {
		m := session.Text(fmt.Sprint(i))
		if err := redis.AppendTwice(s, l, &m); err != nil {
			t.Fatal(err)
		}
	}
	if got := texts(t, s, "a"); !slices.Equal(got, numbers(5)) {
		t.Errorf("the log holds %q; want each of 5 once", got)
	}
}

// A primary that has lost its replicas takes nothing that would be lost with it (min-replicas-to-write).
func TestNoReplicas(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 300 * time.Millisecond})
	l := open(t, s, "a")
	a, err := l.Attach(ctx, session.Claim{Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, l, "1")
	server.do("CONFIG", "SET", "min-replicas-to-write", "1")
	m := session.Text("2")
	if _, err := l.Append(ctx, &m, ""); !errors.Is(err, session.ErrUncertain) {
		t.Errorf("Append: %v, want ErrUncertain", err)
	}
	server.do("CONFIG", "SET", "min-replicas-to-write", "0")
	put(t, l, "3")
	got, _, err := l.Read(ctx, a.Link, 0, 1<<20, nil)
	if err != nil || len(got) != 2 || string(got[1].Message.Data) != "3" {
		t.Errorf("Read = %v, %v; want what was taken", got, err)
	}
}

// What Redis loses under clients that are there: each is sent to come back, not away, and is told once.
func TestLossUnderLiveLinks(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	n := newNode(t, server.addr, "live", redis.Options{Timeout: 2 * time.Second, SafetyRead: 200 * time.Millisecond}, session.Options{})
	del := func(kind string) func(session.Position) {
		return func(p session.Position) { server.do("DEL", n.store.Key(kind, p.Epoch)) }
	}
	for _, tt := range []struct {
		name string
		lose func(session.Position)
		want []session.Missing
		end  session.End
	}{
		{"the entries", del("m"), nil, ""},
		{"the state", del("s"), []session.Missing{session.Expired}, session.Renewed},
		{"the state and the directory", func(p session.Position) {
			del("s")(p)
			server.do("DEL", n.store.Directory("the state and the directory"))
		},
			[]session.Missing{session.Expired}, session.Renewed},
		{"the directory", func(session.Position) { server.do("DEL", n.store.Directory("the directory")) }, nil, ""},
		{"everything", func(session.Position) { server.do("FLUSHALL") }, []session.Missing{session.Restarted}, session.Renewed},
		{"Redis", func(session.Position) { server.kill(); server.start() }, []session.Missing{session.Restarted}, session.Renewed},
	} {
		c := &client{t: t, id: tt.name}
		l := c.attach(n.Manager)
		say(t, n, c.id, "1", "2")
		c.take(l)
		if err := c.ackOnly(n.Manager, l); err != nil {
			t.Fatal(err)
		}
		p, err := session.ParsePosition(c.pos)
		if err != nil {
			t.Fatal(err)
		}
		c.why = nil
		tt.lose(p)
		limit, cancel := context.WithTimeout(ctx, 20*time.Second)
		var b session.Batch
		for tt.end != "" && b.End == "" {
			if err := l.Next(limit, &b); err != nil && !errors.Is(err, session.ErrUncertain) {
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
