package redis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// Two nodes share their sessions: what one sends reaches a link of the other. The code is
// that of one node, but for the Store.
func Example() {
	server := miniredis.NewMiniRedis() // in production: a Redis with appendonly yes and maxmemory-policy noeviction
	if err := server.Start(); err != nil {
		panic(err)
	}
	defer server.Close()

	node := func() (*session.Manager, func()) {
		client, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress:       []string{server.Addr()},
			ForceSingleClient: true, DisableCache: true, // for miniredis
			ConnWriteTimeout: 2 * time.Second, // how soon a dead connection is given up
		})
		if err != nil {
			panic(err)
		}
		kept := redis.New(client, redis.Options{Prefix: "app"})
		m := session.New(session.Options{Store: kept})
		return m, func() { m.Shutdown(context.Background()); kept.Close(); client.Close() }
	}
	here, closeHere := node()
	defer closeHere()
	there, closeThere := node()
	defer closeThere()

	ctx := context.Background()
	link, err := there.Attach(ctx, session.Attach{ID: "alice", Reader: "tab"})
	if err != nil {
		panic(err)
	}
	defer link.Close()
	if _, err := here.Send(ctx, "alice", store.Text("hello from the other node")); err != nil {
		panic(err)
	}
	var b session.Batch
	if err := link.Next(ctx, &b); err != nil {
		panic(err)
	}
	fmt.Println(string(b.Entries[0].Message.Data))
	// Output: hello from the other node
}
