package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// calls returns how many scripts the server has run.
func (s *server) calls() (n int) {
	for line := range strings.Lines(s.do("INFO", "commandstats")) {
		var calls int
		if _, rest, ok := strings.Cut(line, "cmdstat_evalsha:calls="); ok {
			fmt.Sscanf(rest, "%d", &calls)
			n += calls
		}
	}
	return n
}

// far is a link on a node of its own.
type far struct {
	t     *testing.T
	store *redis.Store
	log   store.Log
	at    store.Attached
	got   []store.Entry
	woken atomic.Int64
}

// attachFar begins a link of a node that hears what others append to the session.
func attachFar(t *testing.T, s *redis.Store, near store.Log, c store.Claim) *far {
	t.Helper()
	f := &far{t: t, store: s, log: open(t, s, near.ID())}
	t.Cleanup(f.log.Watch(func() { f.woken.Add(1) }))
	f.claim(c)
	for _, text := range []string{"settle", "settled"} { // what comes next is published to this node
		before := f.woken.Load()
		put(t, near, text)
		until(t, "the node hears what is published", func() bool { return f.woken.Load() > before })
		f.until(near, text)
	}
	f.got = nil
	return f
}

func (f *far) claim(c store.Claim) {
	f.t.Helper()
	var err error
	if f.at, err = f.log.Attach(ctx, c); err != nil {
		f.t.Fatal(err)
	}
	f.got = append(f.got, store.Entry{Seq: f.at.Position.Seq})
}

// cursor returns the seq after which the link reads.
func (f *far) cursor() uint64 {
	if len(f.got) == 0 {
		return f.at.Position.Seq
	}
	return f.got[len(f.got)-1].Seq
}

func (f *far) read() error {
	after := f.cursor()
	all, tail, err := f.log.Read(ctx, f.at.Link, after, 1<<20, nil)
	for _, e := range all {
		if e.Seq != max(after, tail.Acked)+1 {
			f.t.Errorf("%d came after %d", e.Seq, after)
		}
		after = e.Seq
	}
	f.got = append(f.got, all...)
	f.at.Position.Seq = max(f.at.Position.Seq, after)
	return err
}

// renewed reads until the client has to come back through the hooks.
func (f *far) renewed() {
	f.t.Helper()
	until(f.t, "the link ends", func() bool {
		err := f.read()
		if err != nil && !errors.Is(err, store.ErrRenewed) {
			f.t.Fatalf("Read: %v", err)
		}
		return err != nil
	})
}

// until reads until the last entry is that text.
func (f *far) until(_ store.Log, text string) {
	f.t.Helper()
	until(f.t, "the link gets "+text, func() bool {
		if err := f.read(); err != nil {
			f.t.Fatalf("Read: %v", err)
		}
		n := len(f.got)
		return n > 0 && f.got[n-1].Message != nil && string(f.got[n-1].Message.Data) == text
	})
}

func (f *far) texts() (all []string) {
	for _, e := range f.got {
		if e.Message != nil {
			all = append(all, string(e.Message.Data))
		}
	}
	return all
}

func (f *far) position() store.Position {
	last := f.got[len(f.got)-1]
	return store.Position{Epoch: f.log.Handle().Epoch, Seq: last.Seq, Tag: last.Tag}
}

func pairOfNodes(t *testing.T, near, far redis.Options) (*server, *redis.Store, *redis.Store) {
	t.Helper()
	server := startServer(t)
	a := newStore(t, dial(t, server.addr), near)
	far.Prefix = a.Prefix()
	return server, a, newStore(t, dial(t, server.addr), far)
}

// A link on another node gets what is appended from what is published: no script runs for
// it, but for the groups of what was sent and acknowledged.
func TestR2DeliveredWithoutAScript(t *testing.T) {
	t.Parallel()
	server, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: time.Hour})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	before := server.calls()
	const all = 100
	for i := range all {
		put(t, near, fmt.Sprint(i))
		f.until(near, fmt.Sprint(i))
	}
	if got := f.texts(); !slices.Equal(got, numbers(all)) {
		t.Errorf("the link got %q", got)
	}
	if n := server.calls() - before; n > all*3/2 {
		t.Errorf("%d messages took %d scripts", all, n)
	}
}

// All that is published may be lost: links get everything within SafetyRead.
func TestR2DeafNodeLosesNothing(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: 100 * time.Millisecond})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	b.Deafen()
	for i := range 5 {
		before := f.woken.Load()
		put(t, near, fmt.Sprint(i))
		until(t, "the node finds it by itself", func() bool { return f.woken.Load() > before })
		f.until(near, fmt.Sprint(i))
	}
	if got := f.texts(); !slices.Equal(got, numbers(5)) {
		t.Errorf("the link got %q", got)
	}
}

// If one published entry is lost, the next one shows it.
func TestR2LostEntryIsFoundAtTheNext(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: time.Hour})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	heard := make(chan struct{}, 1)
	b.Mute(func() bool { heard <- struct{}{}; return true })
	put(t, near, "0")
	<-heard
	b.Mute(nil)
	put(t, near, "1")
	f.until(near, "1")
	if got := f.texts(); !slices.Equal(got, numbers(2)) {
		t.Errorf("the link got %q", got)
	}
}

// A replica without the last entries takes over, gives out their numbers again, and the
// node misses the first of those that are new: a link that has the lost ones must not go
// on with the next number, but is sent away, and told.
func TestR2FailoverWithALostEntryIsDiverged(t *testing.T) {
	t.Parallel()
	server, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: time.Hour})
	c := dial(t, server.addr)
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	epoch := near.Handle().Epoch
	before := map[string]string{}
	for _, k := range []string{a.Key("s", epoch), a.Key("m", epoch), a.Heads(epoch)} {
		v, err := c.Do(ctx, c.B().Dump().Key(k).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		before[k] = v
	}
	put(t, near, "lost 1", "lost 2")
	f.until(near, "lost 2")
	had := f.position()
	time.Sleep(2 * 50 * time.Millisecond) // what was sent has been told

	for k, v := range before {
		if err := c.Do(ctx, c.B().Restore().Key(k).Ttl(0).SerializedValue(v).Replace().Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	heard := make(chan struct{}, 2)
	b.Mute(func() bool { heard <- struct{}{}; return true })
	put(t, near, "new 1")
	put(t, near, "new 2")
	<-heard
	<-heard
	b.Mute(nil)
	put(t, near, "new 3")

	f.renewed()
	if got := f.texts(); slices.Contains(got, "new 3") {
		t.Errorf("the link went on with the next number, without a word: %q", got)
	}
	at, err := f.log.Attach(ctx, store.Claim{Reader: "r", Given: store.GivenPresented, Position: had})
	if err != nil || at.Reason != store.MissingDiverged {
		t.Errorf("the client is told %q, %v; want diverged", at.Reason, err)
	}
}

// A link that only ever reads from its node's tail lives on after the lease.
func TestR2FedLocallyOutlivesTheLease(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	_, a, b := pairOfNodes(t, redis.Options{Lease: lease}, redis.Options{Lease: lease})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	n := 0
	for end := time.Now().Add(3 * lease); time.Now().Before(end); n++ {
		put(t, near, fmt.Sprint(n))
		f.until(near, fmt.Sprint(n))
		if _, err := a.Expired(ctx, 10); err != nil {
			t.Error(err)
		}
		time.Sleep(lease / 50)
	}
	if got := f.texts(); !slices.Equal(got, numbers(n)) {
		t.Errorf("the link got %d messages of %d", len(got), n)
	}
}

// Two nodes append to one session at once, and links on both get everything once.
func TestR2OwnAndForeignAppends(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{})
	nodes := []store.Log{open(t, a, "a"), nil}
	links := []*far{attachFar(t, b, nodes[0], store.Claim{Reader: "b"}), nil}
	nodes[1] = links[0].log
	links[1] = attachFar(t, a, nodes[1], store.Claim{Reader: "a"})
	links[0].until(nodes[0], "settled")
	links[0].got = links[0].got[len(links[0].got)-1:]

	const each = 200
	var wg sync.WaitGroup
	for i, l := range nodes {
		for range 2 {
			wg.Go(func() {
				for n := range each {
					put(t, l, fmt.Sprintf("%d.%d", i, n))
				}
			})
		}
	}
	for _, f := range links {
		wg.Go(func() {
			until(t, "the link gets everything", func() bool {
				if err := f.read(); err != nil {
					t.Errorf("Read: %v", err)
				}
				return len(f.texts()) >= 4*each
			})
		})
	}
	wg.Wait()
	for _, f := range links {
		seen := map[store.Entry]bool{}
		for _, e := range f.got {
			key := store.Entry{Seq: e.Seq}
			if seen[key] {
				t.Errorf("%d came twice", e.Seq)
			}
			seen[key] = true
		}
	}
}

// After Renew on another node, a link gets nothing that comes later, even if its node
// does not hear of it.
func TestR2RenewedLinksGetNothingNew(t *testing.T) {
	t.Parallel()
	_, a, b := pairOfNodes(t, redis.Options{}, redis.Options{SafetyRead: time.Hour})
	near := open(t, a, "a")
	f := attachFar(t, b, near, store.Claim{Reader: "r"})
	heard := make(chan struct{}, 1)
	b.Mute(func() bool { heard <- struct{}{}; return true })
	if err := near.Renew(ctx); err != nil {
		t.Fatal(err)
	}
	<-heard
	b.Mute(nil)
	put(t, near, "later")
	f.renewed()
	if got := f.texts(); len(got) > 0 {
		t.Errorf("a link that Renew ended got %q", got)
	}
}

// Send to a session of another node costs one script, and notices when the session has
// moved or ended, and that another one has its id.
func TestR4SendToAnotherNode(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := newNode(t, server.addr, "handles", redis.Options{}, session.Options{})
	b := newNode(t, server.addr, "handles", redis.Options{}, session.Options{})
	l, err := b.Attach(ctx, session.Attach{ID: "x", Reader: "r"})
	if err != nil {
		t.Fatal(err)
	}
	say(t, a, "x", "first")
	before := server.calls()
	const all = 50
	say(t, a, "x", numbers(all)...)
	if n := server.calls() - before; n > all+20 { // there are groups of what was sent, too
		t.Errorf("%d messages took %d scripts", all, n)
	}
	l.Close()

	if err := b.Move(ctx, "x", "y", ""); err != nil {
		t.Fatal(err)
	}
	if at, err := a.Send(ctx, "x", store.Text("to the old id")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Send after a Move = %v, %v; want ErrNotFound", at, err)
	}
	say(t, a, "y", "to the new id")
	if err := b.End(ctx, "y"); err != nil {
		t.Fatal(err)
	}
	if at, err := a.Send(ctx, "y", store.Text("after the end")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Send after the end = %v, %v; want ErrNotFound", at, err)
	}
	if _, err := b.Open(ctx, "y"); err != nil {
		t.Fatal(err)
	}
	if at, err := a.Send(ctx, "y", store.Text("to the next")); err != nil || at.Seq != 1 {
		t.Errorf("Send to the next session of the id = %v, %v", at, err)
	}
}
