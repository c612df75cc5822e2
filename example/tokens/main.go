// Command tokens shows the answer of a language model while it is written. The answer
// survives what happens to the page: a reload in mid-sentence, a second tab, another
// browser with the same address, a network that is gone for a while.
//
//	go run ./example/tokens
//	go run ./example/tokens -dir answers  # where conversations are kept
//	go run ./example/tokens -data visitors  # an open page goes on after a restart
//
// Several processes with one Redis have the same conversations. If one is killed, its
// answers are shown as interrupted a few seconds later. go run ./example/nodes -example
// tokens starts all of that:
//
//	redis-server --appendonly yes --maxmemory-policy noeviction
//	go run ./example/tokens -redis localhost:6379 -addr localhost:8081
//	go run ./example/tokens -redis localhost:6379 -addr localhost:8082
//
// The model is simulated: see model.go for where a real one goes.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/mirage-go/mirage"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	dir := flag.String("dir", defaultDir(), "`directory` of the conversations, created if it is missing")
	data := flag.String("data", "",
		"`directory` that keeps the visitors and their pages over a restart; without it, pages load again")
	redis := flag.String("redis", "", "`address` of a Redis, to share the conversations with other processes")
	rate := flag.Int("rate", 40, "`tokens` a second that the simulated model writes")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	model := simulated{perToken: time.Second / time.Duration(max(1, *rate))}
	if err := run(ctx, *addr, *dir, *data, *redis, model); err != nil {
		slog.Error("tokens failed", "error", err)
		os.Exit(1)
	}
}

// run serves the page until ctx ends.
func run(ctx context.Context, addr, dir, data, redis string, model Model) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves

	// The cookie is named after the port, because browsers send cookies to every port of
	// a host. Otherwise two examples on one machine would overwrite each other's cookies.
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	o := mirage.Options{Name: "mirage-" + port, Dir: data}
	conversations, close, err := openStore(dir, redis, &o)
	if err != nil {
		return err
	}
	defer close()
	s, err := newSite(model, conversations, o)
	if err != nil {
		return err
	}
	url := "http://" + net.JoinHostPort("localhost", port)
	slog.Info("ask the model", "url", url, "conversations", cmp.Or(redis, dir))

	watching, end := context.WithCancel(ctx)
	var others sync.WaitGroup
	others.Go(func() { s.answers.takeOverAll(watching) })
	defer others.Wait()
	defer end()

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

// openStore opens the store of the conversations: in Redis if it has an address, and
// otherwise in dir.
func openStore(dir, redis string, o *mirage.Options) (kept store, close func(), err error) {
	if redis != "" {
		return onNodes(redis, o)
	}
	kept, err = openFiles(dir)
	return kept, func() {}, err
}

// defaultDir returns a directory that is still there tomorrow.
func defaultDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "mirage-tokens")
}
