// Command nodes runs example/rooms or example/tokens on several nodes (processes) that
// share one Redis, behind a balancer that sends each request to the next of them.
//
//	go run ./example/nodes
//	go run ./example/nodes -example tokens
//	go run ./example/nodes -example tokens -- -rate 10  # arguments of the example
//
// Nothing that was sent is lost whatever ends: kill -9 one of the processes that it
// names, or its Redis. What ends is started again two seconds later. If a node is killed
// that gives an answer, the answer ends there, and the page says so.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` of the balancer")
	redis := flag.String("redis", "", "`address` of a Redis; without, one is started")
	count := flag.Int("nodes", 2, "`number` of nodes")
	example := flag.String("example", "rooms", "`name` of the example: rooms or tokens")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *redis, max(1, *count), *example, flag.Args()); err != nil {
		slog.Error("nodes failed", "error", err)
		os.Exit(1)
	}
}

// run runs everything until ctx ends.
func run(ctx context.Context, addr, redis string, count int, example string, args []string) error {
	if example != "rooms" && example != "tokens" {
		return fmt.Errorf("-example is rooms or tokens, not %q", example)
	}
	dir, err := os.MkdirTemp("", "mirage-nodes")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, example)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/mirage-go/mirage/example/"+example)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building example/%s: %w\n%s", example, err, out)
	}

	// The nodes end before Redis does.
	var all sync.WaitGroup
	defer all.Wait()
	if redis == "" {
		server, err := exec.LookPath("redis-server")
		if err != nil {
			return errors.New("no redis-server found: install it, or give the address of a Redis with -redis")
		}
		port := freePort()
		redis = "127.0.0.1:" + port
		until, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		all.Go(func() {
			keep(until, "redis", server, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
				"--appendonly", "yes", "--maxmemory-policy", "noeviction", "--loglevel", "warning")
		})
		if err := listens(ctx, redis); err != nil {
			return fmt.Errorf("redis-server: %w", err)
		}
	}

	var nodes sync.WaitGroup
	defer nodes.Wait()
	b := &balancer{}
	for i := range count {
		node := "127.0.0.1:" + freePort()
		b.nodes = append(b.nodes, node)
		own := append([]string{"-addr", node, "-redis", redis}, args...)
		nodes.Go(func() { keep(ctx, fmt.Sprint("node ", i+1), program, own...) })
		if err := listens(ctx, node); err != nil {
			return fmt.Errorf("node %d: %w", i+1, err)
		}
	}

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	slog.Info("the nodes are open", "url", "http://"+net.JoinHostPort("localhost", port))
	server := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}
