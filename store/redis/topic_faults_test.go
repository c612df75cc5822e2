package redis_test

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

func topicBounds() store.TopicBounds {
	return store.TopicBounds{MaxMessages: 1000, MaxBytes: 1 << 20, MaxGrown: 1 << 20, Age: time.Hour}
}

func said(text string) store.Publication {
	return store.Publication{Message: &store.Message{Data: []byte(text)}}
}

func saidKey(key, text string) store.Publication {
	return store.Publication{Message: &store.Message{Key: key, Data: []byte(text)}}
}

func saidPiece(key, text string) store.Publication {
	p := saidKey(key, text)
	p.Grows = true
	return p
}

func mustPublish(t *testing.T, topic store.Topic, all ...store.Publication) (at store.TopicPosition) {
	t.Helper()
	for _, p := range all {
		var err error
		if at, err = topic.Publish(ctx, p); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func topicPosition(t *testing.T, topic store.Topic) store.TopicPosition {
	t.Helper()
	at, err := topic.Position(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// readTopic reads everything after the cursor: the texts, and what was lost in brackets.
func readTopic(t *testing.T, topic store.Topic, c *store.TopicCursor) string {
	t.Helper()
	entries, _, err := topic.Read(ctx, c, 1<<30, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		if e.Message == nil {
			all = append(all, fmt.Sprintf("[%s %d-%d]", e.Reason, e.Lost.From, e.Lost.To))
		} else {
			all = append(all, string(e.Message.Data))
		}
	}
	return strings.Join(all, " ")
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %q, want %q", what, got, want)
	}
}

// watchTopic watches until the test ends, and returns how often it was woken.
func watchTopic(t *testing.T, topic store.Topic) *atomic.Int64 {
	n := new(atomic.Int64)
	t.Cleanup(topic.Watch(func(store.TopicNews) { n.Add(1) }))
	return n
}

// follow watches the topic until its replica follows what is published.
func follow(t *testing.T, topic store.Topic) *atomic.Int64 {
	t.Helper()
	n := watchTopic(t, topic)
	until(t, "the replica is current", func() bool {
		readTopic(t, topic, &store.TopicCursor{})
		return redis.Current(topic)
	})
	return n
}

// T13: a publish whose answer was lost is found by its tag, whatever followed.
func TestT13PublishAgain(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	for _, tt := range []struct {
		name  string
		p     store.Publication
		then  []store.Publication
		want  string
		inEnd bool
	}{
		{"nothing follows", said("a"), nil, "a", false},
		{"others follow", said("a"), []store.Publication{said("b"), said("c")}, "a b c", false},
		{"it was superseded", saidKey("k", "old"), []store.Publication{saidKey("k", "new")}, "new", false},
		{"a piece", saidPiece("g", "a"), []store.Publication{saidPiece("g", "b")}, "ab", false},
		{"the epoch has ended", said("a"), nil, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, client, redis.Options{})
			topic := s.Topic("a", topicBounds())
			p := redis.NewPublishing(topic, tt.p)
			first, err := p.Ask(0)
			if err != nil {
				t.Fatal(err)
			}
			if tt.inEnd {
				if err := topic.End(ctx); err != nil {
					t.Fatal(err)
				}
			}
			mustPublish(t, topic, tt.then...)
			for _, before := range []int{1, 2, 0} { // the first question may come last
				if again, err := p.Ask(before); err != nil || again != first {
					t.Errorf("asked %d times before: %v, %v; want %v", before, again, err, first)
				}
			}
			wantText(t, "what is retained", readTopic(t, topic, &store.TopicCursor{}), tt.want)
		})
	}
}

// T13: if it cannot be known whether a publish took place, it is neither repeated nor
// called successful. A caller that knows the topic's position is sure for longer.
func TestT13PublishUnknown(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	topic := s.Topic("a", topicBounds())
	for range 100 {
		mustPublish(t, topic, saidKey("k", "before"))
	}
	done, never, unsure := redis.NewPublishing(topic, said("x")), redis.NewPublishing(topic, said("y")),
		redis.NewPublishing(topic, said("z"))
	unsure.Forget()
	if _, err := done.Ask(0); err != nil {
		t.Fatal(err)
	}
	if _, err := never.Ask(1); err != nil {
		t.Errorf("a publish that did not take place is not made: %v", err)
	}
	if _, err := unsure.Ask(1); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("a publish of which nothing can be known: %v", err)
	}
	late, superseded := redis.NewPublishing(topic, said("late")), redis.NewPublishing(topic, saidKey("k", "old"))
	if _, err := superseded.Ask(0); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		mustPublish(t, topic, said("after"))
	}
	if at, err := done.Ask(1); err != nil || at.Seq != 101 {
		t.Errorf("a publish that took place and is retained: %v, %v", at, err)
	}
	mustPublish(t, topic, saidKey("k", "new"))
	if _, err := superseded.Ask(1); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("a publish that took place and was superseded: %v", err)
	}
	if _, err := late.Ask(1); !errors.Is(err, store.ErrUncertain) {
		t.Errorf("a publish that did not take place, among others that have left: %v", err)
	}
	if at := topicPosition(t, topic); at.Seq != 204 {
		t.Errorf("%d were published", at.Seq)
	}

	late = redis.NewPublishing(topic, said("late"))
	for range 100 {
		mustPublish(t, topic, said("after"))
	}
	if at, err := late.Ask(1); err != nil || at.Seq != 305 {
		t.Errorf("a publish that did not take place, among others that are retained: %v, %v", at, err)
	}
}

// T13: a caller that was told ErrUncertain repeats the call with the same message.
func TestT13RepeatedByTheCaller(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	topic := s.Topic("a", topicBounds())
	p := said("a")
	s.Cut(func() bool { return true })
	if _, err := topic.Publish(ctx, p); !errors.Is(err, store.ErrUncertain) {
		t.Fatal(err)
	}
	s.Cut(func() bool { return false })
	mustPublish(t, topic, p)
	wantText(t, "what is retained", readTopic(t, topic, &store.TopicCursor{}), "a")
}

// T10, T13: a node hears everything of a topic that it watches, and loads nothing.
func TestT10ReplicaFollows(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	near := newStore(t, client, redis.Options{})
	far := newStore(t, client, redis.Options{Prefix: near.Prefix()})
	from, to := near.Topic("a", topicBounds()), far.Topic("a", topicBounds())
	follow(t, to)
	loads := redis.Loads(to)

	c := store.TopicCursor{At: topicPosition(t, to)}
	want, got := "", ""
	for i := range 500 {
		p := []store.Publication{
			said(fmt.Sprint(i)), saidKey("k", fmt.Sprint(i)), saidPiece("g", fmt.Sprint(i)),
		}[i%3]
		mustPublish(t, from, p)
		want += " " + fmt.Sprint(i)
		until(t, "the message comes", func() bool {
			if text := readTopic(t, to, &c); text != "" {
				got += " " + text
			}
			return got == want
		})
	}
	if n := redis.Loads(to) - loads; n != 0 {
		t.Errorf("the topic was loaded %d times", n)
	}
}

// T10: many publish on a node that watches the topic, and answers overtake each other.
func TestT10ManyPublish(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{})
	topic := s.Topic("a", topicBounds())
	follow(t, topic)
	loads := redis.Loads(topic)
	c := store.TopicCursor{At: topicPosition(t, topic)}
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 100 {
				if _, err := topic.Publish(ctx, said(fmt.Sprint(g, ".", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seq, read := c.At.Seq, 0
	until(t, "all come", func() bool {
		entries, _, err := topic.Read(ctx, &c, 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Message == nil || e.Seq != seq+1 {
				if e.Message != nil || e.Lost.From != seq+1 {
					t.Fatalf("after %d comes %+v", seq, e)
				}
				read += int(e.Seq - seq - 1)
			}
			seq = e.Seq
			read++
		}
		return seq == 6400
	})
	wg.Wait()
	t.Logf("%d loads", redis.Loads(topic)-loads)
}

// T13: what pub/sub loses is found by the next message, or within SafetyRead.
func TestT13LostFrames(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	near := newStore(t, client, redis.Options{})
	far := newStore(t, client, redis.Options{Prefix: near.Prefix(), SafetyRead: 100 * time.Millisecond})
	from, to := near.Topic("a", topicBounds()), far.Topic("a", topicBounds())
	var deaf atomic.Bool
	far.DeafWhen(deaf.Load)
	woken := follow(t, to)
	deaf.Store(true)

	c := store.TopicCursor{At: topicPosition(t, to)}
	for i := range 5 {
		before := woken.Load()
		mustPublish(t, from, said(fmt.Sprint(i)))
		until(t, "the node is woken", func() bool { return woken.Load() > before })
		until(t, "the message comes", func() bool { return readTopic(t, to, &c) == fmt.Sprint(i) })
	}
	if err := from.End(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "the reader learns of the end", func() bool {
		_, tail, err := to.Read(ctx, &c, 1, nil)
		return err == nil && tail.Ended
	})
}

// T4, T9: a reader that comes from another node may have more than the replica here. It
// is not told that anything is lost.
func TestT4ReaderFromAnotherNode(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	near := newStore(t, client, redis.Options{})
	far := newStore(t, client, redis.Options{Prefix: near.Prefix(), SafetyRead: time.Hour})
	from, to := near.Topic("a", topicBounds()), far.Topic("a", topicBounds())
	var deaf atomic.Bool
	far.DeafWhen(deaf.Load)
	follow(t, to)
	deaf.Store(true)

	c := &store.TopicCursor{At: mustPublish(t, from, said("1"), said("2"))}
	mustPublish(t, from, said("3"))
	wantText(t, "after two messages", readTopic(t, to, c), "3")
	if err := from.End(ctx); err != nil {
		t.Fatal(err)
	}
	c = &store.TopicCursor{At: mustPublish(t, from, said("of the next epoch"))}
	mustPublish(t, from, said("4"))
	wantText(t, "in the next epoch", readTopic(t, to, c), "4")
}

// T4, T13: if Redis loses messages that nodes have, and gives their numbers to others,
// the topic goes on under another epoch, and readers are told.
func TestT13Diverged(t *testing.T) {
	t.Parallel()
	for _, after := range []int{0, 1, 2, 5, 300} {
		for _, watched := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d follow, watched %v", after, watched), func(t *testing.T) {
				server := startServer(t)
				client := dial(t, server.addr)
				o := redis.Options{SafetyRead: 100 * time.Millisecond}
				if !watched { // so that the replica is kept
					o.SafetyRead = time.Hour
				}
				s := newStore(t, client, o)
				topic := s.Topic("a", topicBounds())
				o.Prefix = s.Prefix()
				other := newStore(t, client, o).Topic("a", topicBounds())
				mustPublish(t, topic, said("kept"))
				c := store.TopicCursor{}
				wantText(t, "before", readTopic(t, topic, &c), "kept")
				if watched {
					follow(t, topic)
				}

				back := snapshot(t, client, s.TopicBase("a"))
				mustPublish(t, topic, said("lost"), said("lost, too"))
				wantText(t, "what is lost later", readTopic(t, topic, &c), "lost lost, too")
				back()
				var want strings.Builder
				want.WriteString("[diverged 4-0] kept")
				for i := range after {
					mustPublish(t, other, said(strconv.Itoa(i)))
					want.WriteString(" " + strconv.Itoa(i))
				}

				epoch := c.At.Epoch
				got := ""
				until(t, "the reader is told", func() bool {
					got = strings.TrimSpace(got + " " + readTopic(t, topic, &c))
					return c.At.Epoch != epoch
				})
				wantText(t, "the reader gets", got, want.String())
				until(t, "the other node goes on", func() bool {
					return topicPosition(t, other).Epoch == c.At.Epoch
				})
				mustPublish(t, other, said("next"))
				until(t, "the next message comes", func() bool { return readTopic(t, topic, &c) == "next" })
			})
		}
	}
}

// snapshot remembers all keys, and returns a function that puts them back.
func snapshot(t *testing.T, client rueidis.Client, base string) (back func()) {
	t.Helper()
	keys, err := client.Do(ctx, client.B().Keys().Pattern(base+":t:*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	saved := make(map[string]string)
	for _, k := range keys {
		if saved[k], err = client.Do(ctx, client.B().Dump().Key(k).Build()).ToString(); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		for k, v := range saved {
			restore := client.B().Restore().Key(k).Ttl(int64(time.Hour / time.Millisecond)).SerializedValue(v).Build()
			if err := client.Do(ctx, restore).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// T13: while Redis does not answer, many readers wait no longer than one.
func TestT13ManyReadersWithoutRedis(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{Timeout: 500 * time.Millisecond})
	topic := s.Topic("a", topicBounds())
	mustPublish(t, topic, said("1"))
	server.kill()
	began := time.Now()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, _, err := topic.Read(ctx, &store.TopicCursor{}, 1, nil)
			if !errors.Is(err, store.ErrUncertain) {
				t.Errorf("Read: %v", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("they took %v", took)
	}
}

// T4: after Redis has lost everything, readers are told, and begin at the start.
func TestT4RedisLosesTopics(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := newStore(t, dial(t, server.addr), redis.Options{SafetyRead: 100 * time.Millisecond})
	topic := s.Topic("a", topicBounds())
	mustPublish(t, topic, said("1"), said("2"))
	woken := follow(t, topic)
	c := store.TopicCursor{}
	wantText(t, "before", readTopic(t, topic, &c), "1 2")

	server.kill()
	before := woken.Load()
	server.start()
	until(t, "the watcher is woken", func() bool { return woken.Load() > before })
	got := ""
	until(t, "the reader is told", func() bool {
		entries, _, err := topic.Read(ctx, &c, 1<<20, nil)
		if err == nil && len(entries) > 0 {
			e := entries[0]
			got = fmt.Sprint(e.Reason, " from ", e.Lost.From, " to ", e.Lost.To)
		}
		return got != ""
	})
	wantText(t, "the reader gets", got, "restarted from 3 to 0")
	mustPublish(t, topic, said("new"))
	wantText(t, "then", readTopic(t, topic, &c), "new")
}

var updates = flag.Int("updates", 4000, "how many messages of each kind TestT13Memory publishes")

// T13, M1: neither thousands of updates of one key nor a message that grows for long, nor
// many messages, make Redis grow.
func TestT13Memory(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	s := newStore(t, client, redis.Options{})
	b := topicBounds()
	b.MaxMessages = 100
	topic := s.Topic("a", b)
	for _, tt := range []struct {
		name string
		next func(i int) store.Publication
		most int64
	}{
		{"one key", func(i int) store.Publication { return saidKey("k", fmt.Sprint(i)) }, 10 << 10},
		{"a key beside others", func(i int) store.Publication {
			if i%100 == 0 {
				return said("plain")
			}
			return saidKey("k", fmt.Sprint(i))
		}, 20 << 10},
		{"many keys", func(i int) store.Publication { return saidKey(fmt.Sprint(i), "x") }, 50 << 10},
		{"plain", func(i int) store.Publication { return said(fmt.Sprint(i)) }, 50 << 10},
		{"growing", func(i int) store.Publication {
			p := saidPiece(fmt.Sprint(i/1000), "token ")
			p.Done = i%1000 == 999
			return p
		}, 3 << 20},
		{"growing for long", func(i int) store.Publication { return saidPiece("g", "token ") }, 1 << 20},
		{"growing again and again", func(i int) store.Publication {
			p := saidPiece("g", "token ")
			if i%2 == 1 {
				p = saidKey("g", "instead")
			}
			return p
		}, 10 << 10},
		{"TTL", func(i int) store.Publication {
			p := said("x")
			p.Message.TTL = time.Minute
			return p
		}, 60 << 10},
	} {
		for i := range *updates {
			mustPublish(t, topic, tt.next(i))
		}
		if n := usage(t, client, s.TopicBase("a")); n > tt.most {
			t.Errorf("%s: Redis has %d bytes, want at most %d", tt.name, n, tt.most)
		} else {
			t.Logf("%s: %d bytes", tt.name, n)
		}
		if err := topic.End(ctx); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

// usage returns the memory of all keys of topics in the shard, and fails the test if one
// of them would stay for ever.
func usage(t *testing.T, client rueidis.Client, base string) (sum int64) {
	t.Helper()
	keys, err := client.Do(ctx, client.B().Keys().Pattern(base+":t:*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		n, err := client.Do(ctx, client.B().MemoryUsage().Key(k).Samples(0).Build()).AsInt64()
		if err != nil {
			t.Fatal(err)
		}
		sum += n
		ms, err := client.Do(ctx, client.B().Pttl().Key(k).Build()).AsInt64()
		if err != nil || ms < 0 || ms > 2*time.Hour.Milliseconds() {
			t.Errorf("%s lives for %d ms, %v", k, ms, err)
		}
	}
	return sum
}

// T13: on a full Redis, nothing is published in part.
func TestT13Full(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--maxmemory-policy", "noeviction")
	s := newStore(t, dial(t, server.addr), redis.Options{})
	topic := s.Topic("a", topicBounds())
	mustPublish(t, topic, said("1"), saidPiece("g", "ab"))
	brief := topicBounds()
	brief.Age = time.Second
	old := s.Topic("old", brief)
	mustPublish(t, old, said("old"))
	enterTopic(t, old, "leaves", 1)
	server.do("CONFIG", "SET", "maxmemory", "1")
	for _, p := range []store.Publication{said("2"), saidKey("k", "2"), saidPiece("g", "cd")} {
		if _, err := topic.Publish(ctx, p); !errors.Is(err, store.ErrFull) {
			t.Errorf("Publish: %v", err)
		}
	}
	if _, err := topic.Begin(ctx); err != nil {
		t.Errorf("Begin of a topic that has begun: %v", err)
	}
	if _, err := s.Topic("b", topicBounds()).Begin(ctx); !errors.Is(err, store.ErrBudget) {
		t.Errorf("Begin: %v", err)
	}
	if _, err := topic.Enter(ctx, "id", 1, nil); !errors.Is(err, store.ErrBudget) {
		t.Errorf("Enter: %v", err)
	}
	wantText(t, "reading", readTopic(t, topic, &store.TopicCursor{}), "ab 1")
	until(t, "old messages leave", func() bool { return readTopic(t, old, &store.TopicCursor{}) == "" })
	if err := old.Exit(ctx, "leaves", 1); err != nil {
		t.Errorf("Exit: %v", err)
	}
	if err := old.End(ctx); err != nil {
		t.Errorf("End: %v", err)
	}
	server.do("CONFIG", "SET", "maxmemory", "0")
	if at := mustPublish(t, topic, said("2")); at.Seq != 3 {
		t.Errorf("the next is %d", at.Seq)
	}
}

// Replicas of topics that are not watched are bounded, and dropped.
func TestIdleReplicas(t *testing.T) {
	t.Parallel()
	s := newStore(t, dial(t, startServer(t).addr), redis.Options{SafetyRead: time.Hour})
	for i := range 600 {
		readTopic(t, s.Topic(fmt.Sprint(i), topicBounds()), &store.TopicCursor{})
	}
	if n := s.Replicas(); n > 256 {
		t.Errorf("%d replicas", n)
	}
	watchTopic(t, s.Topic("watched", topicBounds()))
	s.LookAtTopics()
	s.LookAtTopics()
	if n := s.Replicas(); n != 1 {
		t.Errorf("%d replicas after two looks", n)
	}
}
