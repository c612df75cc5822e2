package redis_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/store/storetest"
)

// watchedStore watches every topic from the first use on, so that all of them are read
// from replicas.
type watchedStore struct {
	*redis.Store
	tb   testing.TB
	once sync.Map
}

func (s *watchedStore) Topic(name string, b store.TopicBounds) store.Topic {
	t := s.Store.Topic(name, b)
	if _, again := s.once.LoadOrStore(name, true); !again {
		s.tb.Cleanup(t.Watch(func(store.TopicNews) {}))
	}
	return t
}

// twoStores takes the steps of topics on two nodes by turns.
type twoStores struct {
	*redis.Store
	one, other store.TopicStore
}

func (s *twoStores) Topic(name string, b store.TopicBounds) store.Topic {
	return &twoTopics{Topic: s.one.Topic(name, b), other: s.other.Topic(name, b)}
}

type twoTopics struct {
	store.Topic
	other store.Topic
	turns atomic.Int64
}

func (t *twoTopics) next() store.Topic {
	if t.turns.Add(1)%2 == 0 {
		return t.other
	}
	return t.Topic
}

func (t *twoTopics) Publish(ctx context.Context, p store.Publication) (store.TopicPosition, error) {
	return t.next().Publish(ctx, p)
}

func (t *twoTopics) Position(ctx context.Context) (store.TopicPosition, error) {
	return t.next().Position(ctx)
}

func (t *twoTopics) Read(
	ctx context.Context, c *store.TopicCursor, max int, dst []store.TopicEntry,
) ([]store.TopicEntry, store.TopicTail, error) {
	return t.next().Read(ctx, c, max, dst)
}

func (t *twoTopics) End(ctx context.Context) error { return t.next().End(ctx) }

func (t *twoTopics) Watch(wake func(store.TopicNews)) (stop func()) { return t.next().Watch(wake) }

func (t *twoTopics) Enter(ctx context.Context, id string, n uint64, info []byte) (string, error) {
	return t.next().Enter(ctx, id, n, info)
}

func (t *twoTopics) Exit(ctx context.Context, id string, n uint64) error {
	return t.next().Exit(ctx, id, n)
}

func (t *twoTopics) Members(ctx context.Context) ([]store.Member, error) {
	return t.next().Members(ctx)
}

// T1–T12, M1–M3: the suite, with topics that are watched, and with two nodes.
func TestTopicStores(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	only := storetest.Without{Keys: true}
	t.Run("watched", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) store.Store {
			s := newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
			if !ofTopics(tb) {
				tb.Skip("not about topics")
			}
			return &watchedStore{Store: s, tb: tb}
		}, only)
	})
	t.Run("watched on two nodes", func(t *testing.T) { // where they may lag behind each other
		storetest.Run(t, func(tb testing.TB) store.Store {
			s := newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
			if !strings.Contains(tb.Name(), "a_crowd_publishes") {
				tb.Skip("not about that")
			}
			o := redis.Options{Timeout: 20 * time.Second, Prefix: s.Prefix()}
			other := &watchedStore{Store: newStore(tb, client, o), tb: tb}
			return &twoStores{Store: s, one: &watchedStore{Store: s, tb: tb}, other: other}
		})
	})
	t.Run("two nodes", func(t *testing.T) {
		storetest.Run(t, func(tb testing.TB) store.Store {
			s := newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
			if !ofTopics(tb) {
				tb.Skip("not about topics")
			}
			o := redis.Options{Timeout: 20 * time.Second, Prefix: s.Prefix()}
			return &twoStores{Store: s, one: s, other: newStore(tb, client, o)}
		}, only)
	})
}

// ofTopics reports whether a test of the suite is about topics.
func ofTopics(tb testing.TB) bool {
	name := tb.Name()
	return strings.Contains(name, "/T") || strings.Contains(name, "/M2_") ||
		(strings.Contains(name, "/M1_") || strings.Contains(name, "/M3_")) && !strings.Contains(name, "refuses")
}

// topicPair is a topic in memory and on two nodes with Redis.
type topicPair struct {
	rt      *rapid.T
	mem     store.Topic
	start   func() pairNode
	nodes   [2]pairNode
	readers []*pairReader
	texts   int
}

// pairNode is a topic on one node.
type pairNode struct {
	store.Topic
	deaf *atomic.Bool
	stop func() // it dies
}

// pairReader reads both, from one place on.
type pairReader struct {
	mem, far store.TopicCursor
}

// T3–T5, T12, M1–M3: whatever is published through two nodes, readers on each of them get
// exactly what the store in memory gives: from a replica that follows what is published,
// from one that hears nothing for a while, and from one that is not watched. Nodes die,
// and are replaced.
func TestT3RedisAgreesWithMemory(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	rapid.Check(t, func(rt *rapid.T) {
		b := store.TopicBounds{
			MaxMessages: rapid.IntRange(1, 8).Draw(rt, "max messages"),
			MaxBytes:    rapid.SampledFrom([]int64{1, 500, 2000, 1 << 30}).Draw(rt, "max bytes"),
			MaxGrown:    rapid.SampledFrom([]int{10, 1000, 1 << 20}).Draw(rt, "max grown"),
			Age:         time.Hour,
		}
		o := redis.Options{Prefix: fmt.Sprint("t", prefixes.Add(1)), SafetyRead: 50 * time.Millisecond}
		p := &topicPair{rt: rt, mem: memory.New(memory.Options{}).Topic("a", b)}
		p.start = func() pairNode {
			s := newStore(t, client, o)
			n := pairNode{Topic: s.Topic("a", b), deaf: new(atomic.Bool), stop: s.Close}
			s.DeafWhen(n.deaf.Load)
			if rapid.Bool().Draw(p.rt, "watched") {
				stop := n.Watch(func(store.TopicNews) {})
				n.stop = func() { stop(); s.Close() }
				if _, err := p.mem.Position(ctx); err != nil { // the topic begins in both
					rt.Fatal(err)
				}
				until(t, "the replica is current", func() bool {
					_, _, err := n.Read(ctx, &store.TopicCursor{}, 1, nil)
					return err == nil && redis.Current(n.Topic)
				})
			}
			return n
		}
		for i := range p.nodes {
			p.nodes[i] = p.start()
			defer func() { p.nodes[i].stop() }()
		}
		rt.Repeat(map[string]func(*rapid.T){
			"deaf": p.deafen, "restart": p.restart,
			"publish": p.publish, "publish more": p.publish, "publish keyed": p.publishKeyed, "grow": p.grow,
			"grow more": p.grow, "grow often": p.growOften, "end": p.end, "join": p.join, "read": p.read,
			"read more": p.read,
		})
		p.rt = rt
		p.join(rt)
		for _, r := range slices.Clone(p.readers) {
			for p.readOne(r, 1<<30) {
			}
		}
	})
}

func (p *topicPair) node() pairNode {
	return p.nodes[rapid.IntRange(0, len(p.nodes)-1).Draw(p.rt, "node")]
}

// deafen lets a node hear nothing, or hear again.
func (p *topicPair) deafen(rt *rapid.T) {
	p.rt = rt
	n := p.node()
	n.deaf.Store(!n.deaf.Load())
}

func (p *topicPair) restart(rt *rapid.T) {
	p.rt = rt
	i := rapid.IntRange(0, len(p.nodes)-1).Draw(rt, "node")
	p.nodes[i].stop()
	p.nodes[i] = p.start()
}

func (p *topicPair) put(q store.Publication) {
	q.Message.TTL = rapid.SampledFrom([]time.Duration{0, 0, time.Hour, 1<<63 - 1}).Draw(p.rt, "ttl")
	want, wantErr := p.mem.Publish(ctx, q)
	got, err := p.node().Publish(ctx, q)
	if err != wantErr || err == nil && got.Seq != want.Seq {
		p.rt.Fatalf("Publish(%+v): %v, %v; in memory %v, %v", q, got, err, want, wantErr)
	}
}

func (p *topicPair) text() []byte {
	p.texts++
	n := rapid.SampledFrom([]int{0, 0, 3, 200}).Draw(p.rt, "length")
	return fmt.Append(nil, p.texts, strings.Repeat(".", n))
}

func (p *topicPair) publish(rt *rapid.T) {
	p.rt = rt
	p.put(store.Publication{Message: &store.Message{Data: p.text()}})
}

func (p *topicPair) key() string { return rapid.SampledFrom([]string{"k", "l", "m"}).Draw(p.rt, "key") }

func (p *topicPair) publishKeyed(rt *rapid.T) {
	p.rt = rt
	event := rapid.SampledFrom([]string{"", "e"}).Draw(rt, "event")
	p.put(store.Publication{Message: &store.Message{Event: event, Key: p.key(), Data: p.text()}})
}

func (p *topicPair) grow(rt *rapid.T) {
	p.rt = rt
	p.put(store.Publication{
		Message: &store.Message{Key: p.key(), Data: p.text()}, Grows: true,
		Continues: rapid.Bool().Draw(rt, "continues"), Done: rapid.IntRange(0, 4).Draw(rt, "done") == 0,
	})
}

// growOften makes logs forget where pieces end.
func (p *topicPair) growOften(rt *rapid.T) {
	p.rt = rt
	if rapid.IntRange(0, 3).Draw(rt, "seldom") > 0 {
		rt.SkipNow()
	}
	key, node := p.key(), p.node()
	for range rapid.IntRange(1, 400).Draw(rt, "pieces") {
		q := store.Publication{Message: &store.Message{Key: key, Data: []byte("x")}, Grows: true}
		_, wantErr := p.mem.Publish(ctx, q)
		if _, err := node.Publish(ctx, q); err != wantErr {
			rt.Fatalf("Publish: %v; in memory %v", err, wantErr)
		}
	}
}

func (p *topicPair) end(rt *rapid.T) {
	p.rt = rt
	if rapid.IntRange(0, 3).Draw(rt, "seldom") > 0 {
		rt.SkipNow()
	}
	want := p.mem.End(ctx)
	if err := p.node().End(ctx); (err == nil) != (want == nil) {
		rt.Fatalf("End: %v; in memory %v", err, want)
	}
}

func (p *topicPair) join(rt *rapid.T) {
	p.rt = rt
	mem, err := p.mem.Position(ctx)
	if err != nil {
		rt.Fatal(err)
	}
	far, err := p.node().Position(ctx)
	if err != nil || far.Seq != mem.Seq {
		rt.Fatalf("Position: %v, %v; in memory %v", far, err, mem)
	}
	begin := rapid.SampledFrom([]store.Begin{store.BeginAfter, store.BeginNow, store.BeginStart}).Draw(rt, "begin")
	if begin == store.BeginAfter {
		seq := uint64(rapid.IntRange(0, int(mem.Seq)+2).Draw(rt, "after"))
		mem.Seq, far.Seq = seq, seq
	}
	p.readers = append(p.readers, &pairReader{
		mem: store.TopicCursor{At: mem, Begin: begin}, far: store.TopicCursor{At: far, Begin: begin},
	})
}

func (p *topicPair) read(rt *rapid.T) {
	p.rt = rt
	if len(p.readers) == 0 {
		rt.SkipNow()
	}
	r := rapid.SampledFrom(p.readers).Draw(rt, "reader")
	p.readOne(r, rapid.SampledFrom([]int{1, 300, 70 << 10}).Draw(rt, "room"))
}

// readOne reads once, and reports whether there is more.
func (p *topicPair) readOne(r *pairReader, room int) bool {
	entries, tail, err := p.mem.Read(ctx, &r.mem, room, nil)
	want := fmt.Sprint(seen(entries), tail, err, r.mem.At.Seq, r.mem.Begin, r.mem.Whole, r.mem.Ahead)
	if tail.Ended && !tail.More { // it goes on in the next epoch
		defer func() { p.readers = slices.DeleteFunc(p.readers, func(o *pairReader) bool { return o == r }) }()
	}

	// What another node has published may still be on its way.
	node, got := p.node(), ""
	for limit := time.Now().Add(10 * time.Second); got != want; {
		if got != "" && time.Now().After(limit) {
			p.rt.Fatalf("read\n%s\nin memory\n%s", got, want)
		}
		c := r.far
		c.Ahead = maps.Clone(c.Ahead)
		entries, tail, err := node.Read(ctx, &c, room, nil)
		got = fmt.Sprint(seen(entries), tail, err, c.At.Seq, c.Begin, c.Whole, c.Ahead)
		if got == want && !tail.Ended { // so in memory the epoch has begun, too
			if at, err := node.Position(ctx); err != nil || at.Epoch != c.At.Epoch {
				got += " in an epoch that has ended"
			}
		}
		if got == want {
			r.far = c
		}
	}
	return tail.More
}

// seen describes entries, but for the epochs.
func seen(entries []store.TopicEntry) (all []string) {
	for _, e := range entries {
		one := fmt.Sprint(e.Seq, e.Grows, e.Offset, e.Done, e.Lost, e.Reason)
		if e.Message != nil {
			one += fmt.Sprintf("%+v", *e.Message)
		}
		all = append(all, one)
	}
	return all
}
