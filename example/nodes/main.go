// Command nodes is example/hello on several machines: start it as often as you like, with
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
	addr := flag.String("addr", "localhost:8081", "where to listen")
	server := flag.String("redis", "localhost:6379", "where Redis is; of a Cluster, any of its servers")
	flag.Parse()
	if err := run(*addr, *server); err != nil {
		log.Fatal(err)
	}
}

func run(addr, server string) error {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:      []string{server},
		DisableCache:     true,            // the Store reads nothing twice
		ConnWriteTimeout: 2 * time.Second, // how soon a connection that has gone dead is given up
	})
	if err != nil {
		return fmt.Errorf("no Redis at %s: start it, or say where it is with -redis: %w", server, err)
	}
	defer client.Close()
	kept := redis.New(client, redis.Options{Prefix: "nodes"})
	defer kept.Close()

	live := mirage.New(mirage.Options{
		// The same on every node.
		Keys: [][]byte{[]byte("replace me: 32 secret bytes here")},
		// Plain http: leave this out where there is TLS.
		Insecure:  true,
		Store:     kept,
		OnMessage: echo,
	})

	r := chi.NewRouter()
	r.Mount("/live", live)
	// For the balancer: that this process answers, whatever Redis does.
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
	return errors.Join(live.Shutdown(late), s.Shutdown(late)) // clients go on at another node
}

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}
