// Command nodes is example/hello on several machines. Start any number of processes with
// one Redis, and send any request to any of them.
//
//	redis-server --appendonly yes --maxmemory-policy noeviction
//	go run ./example/nodes -addr localhost:8081
//	go run ./example/nodes -addr localhost:8082
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store/redis"
)

func main() {
	addr := flag.String("addr", "localhost:8081", "the address to listen on")
	server := flag.String("redis", "localhost:6379", "the address of Redis; of a Cluster, that of any server")
	flag.Parse()
	if err := run(*addr, *server); err != nil {
		log.Fatal(err)
	}
}

func run(addr, server string) error {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{server},
		DisableCache:     true,            // the Store does not read anything twice
		ConnWriteTimeout: 2 * time.Second, // how soon a dead connection is closed
	})
	if err != nil {
		return fmt.Errorf("no Redis at %s: start it, or give its address with -redis: %w", server, err)
	}
	defer client.Close()
	kept := redis.New(client, redis.Options{Prefix: "nodes"})
	defer kept.Close()

	live := mirage.New(mirage.Options{
		// All nodes need the same keys.
		Keys: [][]byte{[]byte("replace me: 32 secret bytes here")},
		// For plain http: omit this with TLS.
		Insecure:  true,
		Store:     kept,
		OnMessage: echo,
	})

	r := chi.NewRouter()
	r.Mount("/live", live)
	// For the load balancer: this process answers, whatever the state of Redis.
	r.Get("/ready", func(http.ResponseWriter, *http.Request) {})
	s := &http.Server{Addr: addr, Handler: r}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	over := make(chan error, 1)
	go func() { over <- s.ListenAndServe() }()
	select {
	case err := <-over:
		return err
	case <-stop.Done():
	}
	late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(live.Shutdown(late), s.Shutdown(late)) // clients continue at another node
}

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}
