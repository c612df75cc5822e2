package main

import (
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store/redis"
)

// onNodes completes the options of a process that shares its conversations with others,
// and returns their store. All of the processes need the same Redis, the same keys, and
// the same name of the cookie. close ends the connection to Redis.
func onNodes(server string, o *mirage.Options) (conversations store, close func(), err error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{server},
		DisableCache:     true,            // nothing is read twice
		ConnWriteTimeout: 2 * time.Second, // how soon a dead connection is closed
	})
	if err != nil {
		return nil, nil, fmt.Errorf("no Redis at %s: start it, or give its address with -redis: %w", server, err)
	}
	kept := redis.New(client, redis.Options{Prefix: "tokens-live"})

	o.Store = kept
	o.Name = "mirage-tokens"
	o.Keys = [][]byte{[]byte("replace me: 32 secret bytes here")}
	return &redisStore{client}, func() {
		kept.Close()
		client.Close()
	}, nil
}
