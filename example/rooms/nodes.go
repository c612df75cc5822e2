package main

import (
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store/redis"
)

// onNodes completes the options of a process that shares its rooms with others: they need
// the same Redis, the same keys, and the same name of the cookie. close ends the
// connection to Redis.
func onNodes(server string, o *mirage.Options) (close func(), err error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{server},
		DisableCache:     true,            // the store does not read anything twice
		ConnWriteTimeout: 2 * time.Second, // how soon a dead connection is closed
	})
	if err != nil {
		return nil, fmt.Errorf("no Redis at %s: start it, or give its address with -redis: %w", server, err)
	}
	kept := redis.New(client, redis.Options{Prefix: "rooms"})

	o.Store = kept
	o.Name = "mirage-rooms"
	o.Keys = [][]byte{[]byte("replace me: 32 secret bytes here")}
	return func() {
		kept.Close()
		client.Close()
	}, nil
}
