package redis_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// dumped returns what Redis holds: each key with its content, and when it expires.
func dumped(t testing.TB, c rueidis.Client) map[string]string {
	t.Helper()
	keys, err := c.Do(ctx, c.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, key := range keys {
		is, err := c.Do(ctx, c.B().Dump().Key(key).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		all[key] = fmt.Sprintf("%x until %d", is, number(t, c, "PEXPIRETIME", key))
	}
	return all
}

// O3: to inspect changes nothing in Redis, not even what any other step would remove, and
// extends the life of no key.
func TestO3InspectionChangesNothing(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	s := newStore(t, c, redis.Options{})
	l, sparse := open(t, s, "list"), open(t, s, "sparse")
	link := attach(t, l, "r")
	attach(t, sparse, "r")
	put(t, l, "1", "2")
	putMessage(t, sparse, keyed("k 1"))
	putMessage(t, sparse, &store.Message{Data: []byte("2"), TTL: time.Millisecond})
	if err := l.JoinTopic(ctx, store.TopicJoin{Topic: "room", Link: store.LinkRef{Reader: "r"}, Max: 10}); err != nil {
		t.Fatal(err)
	}
	room := s.Topic("room", store.TopicBounds{MaxMessages: 10, MaxBytes: 1 << 20, Age: time.Hour})
	for _, ttl := range []time.Duration{0, time.Millisecond} {
		m := &store.Message{Data: []byte("x"), TTL: ttl}
		if _, err := room.Publish(ctx, store.Publication{Message: m}); err != nil {
			t.Fatal(err)
		}
	}
	for { // until the TTL is over, and a PEXPIRE would show
		left, err := s.SessionMessages(ctx, "sparse", 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 1 {
			break
		}
	}

	before := dumped(t, c)
	if len(before) < 8 {
		t.Fatalf("only %d keys", len(before))
	}
	for range 2 {
		n := 0
		for _, err := range s.InspectSessions(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		for is, err := range s.InspectTopics(ctx) {
			if err != nil || is.Name != "room" || is.Top != 2 {
				t.Fatal(is, err)
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d sessions and topics, want 3", n)
		}
		if _, err := s.Usage(ctx); err != nil {
			t.Error(err)
		}
		for _, id := range []string{"list", "sparse"} {
			d, err := s.InspectSession(ctx, id)
			if err != nil || d.Links != 1 {
				t.Errorf("%+v, %v", d, err)
			}
			if _, err := s.SessionMessages(ctx, id, 0, 10); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.InspectSession(ctx, "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
	if after := dumped(t, c); !maps.Equal(before, after) {
		for key, was := range before {
			if after[key] != was {
				t.Errorf("%s was\n%s, is\n%s", key, was, after[key])
			}
		}
		t.Errorf("keys: %q before, %q after", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}

	if got, _ := readAll(t, l, link, 0); got != "1:1 2:2" {
		t.Errorf("the reader reads %q", got)
	}
}

// O3: links on all nodes count, except those of a node that has died.
func TestO3LinksOnAllNodes(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	o := redis.Options{Prefix: "nodes", Lease: time.Second}
	a, b := newStore(t, c, o), newStore(t, c, o)
	l := open(t, a, "ann")
	attach(t, l, "on a")
	other, _, err := b.Open(ctx, "ann", store.Asked{}, false, store.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	lives := attach(t, other, "on b")

	for _, s := range []*redis.Store{a, b} {
		d, err := s.InspectSession(ctx, "ann")
		if err != nil || d.Links != 2 || d.Readers != 2 || d.ReaderDetails[0].Reader != "on a" {
			t.Errorf("%+v, %v", d, err)
		}
	}

	// Nobody reads on the first link any more.
	until := time.Now().Add(10 * time.Second)
	for {
		if _, _, err := other.Read(ctx, lives, 0, 1, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Expired(ctx, 10); err != nil { // asks the silent node
			t.Fatal(err)
		}
		d, err := b.InspectSession(ctx, "ann")
		if err != nil {
			t.Fatal(err)
		}
		if d.Links == 1 && d.ReaderDetails[0].Links == 0 && d.ReaderDetails[1].Links == 1 {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("the dead node's link still counts: %+v", d)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// O3: Usage has what Redis uses, and its bound, if there is one.
func TestO3UsageOfRedis(t *testing.T) {
	t.Parallel()
	for _, most := range []int64{-1, 100 << 20} {
		var args []string
		if most > 0 {
			args = []string{"--maxmemory", fmt.Sprint(most)}
		}
		s := newStore(t, dial(t, startServer(t, args...).addr), redis.Options{})
		open(t, s, "a")
		u, err := s.Usage(ctx)
		if err != nil || u.Sessions != 1 || u.Topics != -1 || u.Budget != most ||
			u.Bytes < 100_000 || u.Bytes > 100<<20 {
			t.Errorf("Usage() = %+v, %v; want the budget %d", u, err, most)
		}
	}
}

// O3: prefixes are literal, and other programs' keys are no topics.
func TestO3TopicsOfOnePrefix(t *testing.T) {
	t.Parallel()
	c := dial(t, startServer(t).addr)
	for _, prefix := range []string{"app", "a*p", "app.x", "app:t:h:"} {
		s := newStore(t, c, redis.Options{Prefix: prefix})
		b := store.TopicBounds{MaxMessages: 10, MaxBytes: 1 << 20, Age: time.Hour}
		if _, err := s.Topic("of:"+prefix[:3], b).Position(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, prefix := range []string{"app", "a*p", "app.x", "app:t:h:"} {
		var names []string
		for is, err := range newStore(t, c, redis.Options{Prefix: prefix}).InspectTopics(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, is.Name)
		}
		if len(names) != 1 || names[0] != "of:"+prefix[:3] {
			t.Errorf("the topics of %s are %q", prefix, names)
		}
	}
}
