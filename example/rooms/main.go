// Command rooms is a chat with rooms. Each room remembers what was said for late-comers,
// shows who is here, and who is typing. A page shows one room and can change to another.
// Several tabs can be in several rooms.
//
//	go run ./example/rooms
//	go run ./example/rooms -data rooms.data  # a restart, or kill -9, loses nothing
//
// Several processes with one Redis are one chat, behind a balancer that need not know
// anything (go run ./example/nodes starts all of that):
//
//	redis-server --appendonly yes --maxmemory-policy noeviction
//	go run ./example/rooms -redis localhost:6379 -addr localhost:8081
//	go run ./example/rooms -redis localhost:6379 -addr localhost:8082
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mirage-go/mirage"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	dir := flag.String("data", "", "`directory` that keeps everything over a restart; without it, it is lost")
	server := flag.String("redis", "", "`address` of a Redis, to share the rooms with other processes")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *dir, *server); err != nil {
		slog.Error("rooms failed", "error", err)
		os.Exit(1)
	}
}

// run serves the chat until ctx ends.
func run(ctx context.Context, addr, dir, redis string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves

	// The cookie is named after the port, because browsers send cookies to every port of
	// a host. Otherwise two examples on one machine would overwrite each other's cookies.
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	o := mirage.Options{Name: "mirage-" + port, Dir: dir}
	if redis != "" {
		close, err := onNodes(redis, &o)
		if err != nil {
			return err
		}
		defer close()
	}
	h, err := newHouse(o)
	if err != nil {
		return err
	}
	slog.Info("the house is open", "url", "http://"+net.JoinHostPort("localhost", port))

	server := &http.Server{Handler: h.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(h.live.Shutdown(ctx), server.Shutdown(ctx)) // in this order: links first, then the server
}
