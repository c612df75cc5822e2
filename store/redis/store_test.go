package redis_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/store/storetest"
)

// The conformance suite, once against a real server and once against miniredis.

// without is what this store does not have yet.
var without = storetest.Without{Keys: true}

// skipTopics skips the clauses about the age of topics. Those here are in memory, where
// these clauses are tested without real time.
func skipTopics(tb testing.TB) {
	for _, clause := range []string{"/T1_", "/T3_", "/T12_what", "/M3_"} {
		if strings.Contains(tb.Name(), clause) {
			tb.Skip("this store has no topics of its own yet")
		}
	}
}

// withTopics is a Store with the topics of another one. Memberships are in Redis.
type withTopics struct {
	*redis.Store
	topics *memory.Store
}

func (s withTopics) Topic(name string, b store.TopicBounds) store.Topic {
	return s.topics.Topic(name, b)
}

func (s withTopics) Expired(ctx context.Context, max int) (store.Due, error) {
	if _, err := s.topics.Expired(ctx, max); err != nil {
		return store.Due{}, err
	}
	return s.Store.Expired(ctx, max)
}

func TestStore(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	storetest.Run(t, func(tb testing.TB) store.Store {
		skipTopics(tb)
		return withTopics{newStore(tb, client, redis.Options{Timeout: 20 * time.Second}), memory.New(memory.Options{})}
	}, without)
}

func TestStoreMiniredis(t *testing.T) {
	t.Parallel()
	var clients sync.Map // one server for each sub-test: a crowd would starve the others
	storetest.Run(t, func(tb testing.TB) store.Store {
		for _, long := range []string{"a_thousand_goroutines", "topics_and_model_agree"} {
			if strings.Contains(tb.Name(), long) {
				tb.Skip("miniredis compiles a script at every call and runs one at a time: " +
					"callers wait longer than any timeout; the real server runs this")
			}
		}
		c, ok := clients.Load(tb)
		if !ok {
			c = dial(tb, startMini(tb))
			clients.Store(tb, c)
		}
		skipTopics(tb)
		s := newStore(tb, c.(rueidis.Client), redis.Options{Timeout: 20 * time.Second})
		return withTopics{s, memory.New(memory.Options{})}
	}, without)
}
