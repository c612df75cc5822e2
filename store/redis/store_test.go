package redis_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
	"github.com/mirage-go/mirage/store/storetest"
)

// The conformance suite, once against a real server and once against miniredis.

func TestStore(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	storetest.Run(t, func(tb testing.TB) store.Store {
		return newStore(tb, client, redis.Options{Timeout: 20 * time.Second})
	})
}

// watching is a Store that watches each log that it opens, as a Manager does for its
// links, so that links read from this node's tail of the log.
type watching struct {
	*redis.Store
	tb testing.TB
}

func (s watching) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	l, created, err := s.Store.Open(ctx, id, a, create, b)
	if err == nil {
		s.tb.Cleanup(l.Watch(func() {}))
	}
	return l, created, err
}

// TestR2StoreWatched is the suite with links that read from tails.
func TestR2StoreWatched(t *testing.T) {
	t.Parallel()
	client := dial(t, startServer(t).addr)
	storetest.Run(t, func(tb testing.TB) store.Store {
		s := newStore(tb, client, redis.Options{Timeout: 20 * time.Second, SafetyRead: 200 * time.Millisecond})
		return watching{s, tb}
	})
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
		return newStore(tb, c.(rueidis.Client), redis.Options{Timeout: 20 * time.Second})
	})
}
