// Command tokens shows the answer of a language model while it is written. The answer
// survives what happens to the page: a reload in mid-sentence, a second tab, another
// browser with the same address, a network that is gone for a while.
//
//	go run ./example/tokens
//	go run ./example/tokens -dir answers  # where conversations are kept
//
// The model is simulated: see model.go for where a real one goes.
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
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	dir := flag.String("dir", defaultDir(), "`directory` of the conversations, created if it is missing")
	rate := flag.Int("rate", 40, "`tokens` a second that the simulated model writes")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *dir, simulated{perToken: time.Second / time.Duration(max(1, *rate))}); err != nil {
		slog.Error("tokens failed", "error", err)
		os.Exit(1)
	}
}

// run serves the page until ctx ends.
func run(ctx context.Context, addr, dir string, model Model) error {
	conversations, err := openStore(dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves

	// The cookie is named after the port, because browsers send cookies to every port of
	// a host. Otherwise two examples on one machine would overwrite each other's cookies.
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := newSite(model, conversations, "mirage-"+port)
	slog.Info("ask the model", "url", "http://"+net.JoinHostPort("localhost", port), "conversations", dir)

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	// In this order: what has been written of an answer is kept, pages are told to come
	// back, and the server ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	s.answers.interrupt()
	return errors.Join(s.live.Shutdown(ctx), server.Shutdown(ctx))
}

// defaultDir returns a directory that is still there tomorrow.
func defaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "mirage-tokens")
}
