package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

var topicCrowds = []clause{
	{"T3 a crowd publishes, reads and ends topics: every chain holds", func(e *env) { newTopicCrowd(e).run() }},
	{"T2 a crowd joins, leaves, moves and is present", joiningCrowd},
}

// topicCrowd runs many publishers and readers on topics that end meanwhile.
type topicCrowd struct {
	e      *env
	topics []*topic
	ops    int
	till   time.Time // a slow store does fewer operations, if time is real

	mu     sync.Mutex
	said   map[store.TopicPosition]string // messages without a key, which all readers must get
	closed bool                           // no more is said
}

func newTopicCrowd(e *env) *topicCrowd {
	c := &topicCrowd{
		e: e, ops: 50, till: time.Now().Add(5 * time.Second), said: make(map[store.TopicPosition]string),
	}
	if e.bubble {
		c.ops, c.till = 300, time.Now().Add(time.Hour)
	}
	for i := range 4 {
		c.topics = append(c.topics, e.topic(fmt.Sprint("t", i), retaining(10+20*i)))
	}
	return c
}

func (c *topicCrowd) run() {
	var publishers, readers sync.WaitGroup
	for i, t := range c.topics {
		for n := range 4 {
			publishers.Go(func() { c.publish(t, n) })
		}
		for range 4 {
			r := t.now()
			readers.Go(func() { c.read(r) })
		}
		if i%2 == 1 {
			publishers.Go(func() { c.endNow(t) })
		}
	}
	publishers.Wait()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	readers.Wait()
	c.e.Logf("%d messages without a key", len(c.said))
}

func (c *topicCrowd) breathe() {
	if c.e.bubble {
		time.Sleep(time.Duration(rand.IntN(1000)))
	} else if rand.IntN(4) == 0 {
		runtime.Gosched()
	}
}

func (c *topicCrowd) publish(t *topic, n int) {
	for i := 0; i < c.ops && time.Now().Before(c.till); i++ {
		c.breathe()
		s := fmt.Sprint(n, ".", i)
		switch rand.IntN(4) {
		case 0:
			t.put(sayKey(fmt.Sprint("k", n%2), s))
			continue
		case 1:
			p := piece(fmt.Sprint("g", n%2), s)
			p.Done = rand.IntN(8) == 0
			if _, err := t.Publish(ctx, p); errors.Is(err, store.ErrSealed) {
				t.put(sayKey(p.Message.Key, "instead"))
			} else if err != nil {
				c.e.Errorf("Publish: %v", err)
			}
			continue
		}
		c.mu.Lock() // so that readers know of it when they come to it
		c.said[t.put(say(s))] = s
		c.mu.Unlock()
	}
}

func (c *topicCrowd) endNow(t *topic) {
	for i := 0; i < c.ops/20 && time.Now().Before(c.till); i++ {
		for range 20 {
			c.breathe()
		}
		if err := t.End(ctx); err != nil && !errors.Is(err, store.ErrNotFound) {
			c.e.Errorf("End: %v", err)
		}
	}
}

// read reads until all is said, and checks that nothing is missing, comes twice or in
// another order.
func (c *topicCrowd) read(r *topicReader) {
	at, has := r.At, make(map[string][]byte)
	var entries []store.TopicEntry
	for {
		c.mu.Lock()
		closed := c.closed
		c.mu.Unlock()
		c.breathe()
		var err error
		if entries, r.tail, err = r.t.Read(ctx, &r.TopicCursor, 1<<rand.IntN(14), entries[:0]); err != nil {
			c.e.Errorf("Read: %v", err)
			return
		}
		for i := range entries {
			c.check(&at, has, &entries[i])
		}

		switch {
		case r.tail.More:
		case r.tail.Ended: // it goes on in the next epoch
			c.passed(at, r.At.Seq)
			r.TopicCursor = store.TopicCursor{}
			next := r.t.position()
			at = store.TopicPosition{Topic: next.Topic, Epoch: next.Epoch}
			clear(has)
			at.Seq = unknown // what has left since the epoch began is no gap for who begins at its start
		case closed:
			return
		}
	}
}

// unknown is the number of a reader that has got nothing with a number yet.
const unknown = ^uint64(0)

// check checks one entry for a reader that has come to at.
func (c *topicCrowd) check(at *store.TopicPosition, has map[string][]byte, e *store.TopicEntry) {
	if e.Epoch != at.Epoch { // it was too slow, and begins at the start of another one
		at.Epoch, at.Seq = e.Epoch, unknown
		clear(has)
	}
	switch {
	case e.Message == nil && e.Reason == store.MissingTrimmed:
		if at.Seq != unknown && e.Lost.From <= at.Seq || e.Lost.To != e.Seq {
			c.e.Errorf("after %v comes the gap %+v up to %d", *at, e.Lost, e.Seq)
		}
		c.passed(*at, e.Lost.From-1)
		at.Seq = e.Seq
		return
	case e.Message == nil:
		at.Seq = unknown
		return
	case e.Grows:
		c.grow(has, e)
	}

	switch {
	case e.Seq == 0:
	case at.Seq == unknown:
		at.Seq = e.Seq
	case e.Seq <= at.Seq:
		c.e.Errorf("after %v comes %d", *at, e.Seq)
	default:
		c.passed(*at, e.Seq-1)
		at.Seq = e.Seq
		if !e.Grows && e.Message.Key == "" {
			c.mu.Lock()
			if want := c.said[*at]; want != string(e.Message.Data) {
				c.e.Errorf("%v is %q, not %q", *at, e.Message.Data, want)
			}
			c.mu.Unlock()
		}
	}
}

// passed checks that a reader which passes from at to another number misses nothing that
// was said.
func (c *topicCrowd) passed(at store.TopicPosition, to uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.Seq == unknown {
		return
	}
	for at.Seq++; at.Seq <= to; at.Seq++ {
		if s, ok := c.said[at]; ok {
			c.e.Errorf("a reader misses %v, %q", at, s)
		}
	}
}

// grow puts a growing message together.
func (c *topicCrowd) grow(has map[string][]byte, e *store.TopicEntry) {
	text := has[e.Message.Key]
	if e.Offset == 0 {
		text = nil
	}
	if e.Offset > len(text) {
		c.e.Errorf("a piece of %q begins at %d, and the reader has %d", e.Message.Key, e.Offset, len(text))
		return
	}
	has[e.Message.Key] = append(slices.Clip(text[:e.Offset]), e.Message.Data...)
}

// joiningCrowd joins and leaves topics, on links that come and go, in sessions that move.
func joiningCrowd(e *env) {
	t := e.topic("a")
	ops := 30
	if e.bubble {
		ops = 200
	}
	expected := func(err error) bool {
		for _, want := range []error{
			nil, store.ErrNotFound, store.ErrMoved, store.ErrSuperseded, store.ErrTopics, store.ErrRenewed,
			store.ErrRemoved,
		} {
			if err == want || want != nil && errors.Is(err, want) {
				return true
			}
		}
		return false
	}

	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range ops {
				if e.bubble {
					time.Sleep(time.Duration(rand.IntN(1000)))
				}
				id := fmt.Sprint("s", rand.IntN(3))
				l, _, err := e.store.Open(ctx, id, store.Asked{}, true, bounds())
				if err != nil {
					e.Errorf("Open: %v", err)
					return
				}
				a, err := l.Attach(ctx, store.Claim{Reader: fmt.Sprint("r", rand.IntN(3))})
				if err != nil {
					if !expected(err) {
						e.Errorf("Attach: %v", err)
					}
					continue
				}
				errs := memberSteps(l, []store.LinkRef{everybody, whoever(a.Link.Reader), a.Link}[rand.IntN(3)])
				if _, err := t.Enter(ctx, id, uint64(g), []byte{byte('0' + i%10)}); err != nil {
					e.Errorf("Enter: %v", err)
				}
				errs["asking again"] = l.JoinTopic(ctx, store.TopicJoin{Topic: "a", Link: a.Link, Again: true})
				switch rand.IntN(8) {
				case 0:
					errs["Move"] = e.moves(ctx, id, fmt.Sprint("s", rand.IntN(3)), store.Moving{})
				case 1:
					_, errs["End"] = e.store.End(ctx, id, 0)
				case 2:
					errs["Renew"] = l.Renew(ctx)
				}
				if err := t.Exit(ctx, id, uint64(g)); err != nil {
					e.Errorf("Exit: %v", err)
				}
				_, errs["Detach"] = l.Detach(ctx, a.Link)
				for name, err := range errs {
					if !expected(err) {
						e.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
	wg.Wait()
	t.has()
}
