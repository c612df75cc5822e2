// Command users is an inbox for people with accounts. Log in on several devices: a note
// arrives on all of them, they agree on what is unread, and one of them can log out all.
// Log-ins are kept by github.com/alexedwards/scs.
//
//	go run ./example/users
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
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr); err != nil {
		slog.Error("users failed", "error", err)
		os.Exit(1)
	}
}

// run serves the inbox until ctx ends.
func run(ctx context.Context, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves

	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := newSite(port)
	slog.Info("log in with two browsers", "url", "http://"+net.JoinHostPort("localhost", port))

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(s.close(ctx), server.Shutdown(ctx)) // in this order: links first, then the server
}
