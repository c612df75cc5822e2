// Command chat is a chat whose visitors and messages survive network failures. It is the
// example to read first.
//
//	go run ./example/chat
//	go run ./example/chat -keys chat.keys  # visitors keep their ids over a restart
//	go run ./example/chat -data chat.data  # and their messages, even after kill -9
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

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/inspect"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	keys := flag.String("keys", "",
		"`file` of the keys that sign ids, created if it is missing; without it a restart gives all visitors new ids")
	dir := flag.String("data", "", "`directory` that keeps ids and messages over a restart; without it they are lost")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *keys, *dir); err != nil {
		slog.Error("chat failed", "error", err)
		os.Exit(1)
	}
}

// run serves the chat until ctx ends.
func run(ctx context.Context, addr, keyFile, dir string) error {
	keys, kept, err := signingKeys(keyFile, dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves

	inspector := inspect.New(inspect.Options{}) // for this machine alone
	live, err := newLive(listener, keys, dir, inspector)
	if err != nil {
		return err
	}
	r := chi.NewRouter()
	r.Mount("/inspect", inspector.Handler(live))
	r.Group(func(r chi.Router) {
		r.Use(live.Identify)
		r.Mount("/live", live)
		r.Handle("/*", page())
	})

	url := address(addr, listener)
	slog.Info("the chat is open: visit it with two browsers", "url", url, "keys", kept)
	slog.Info("the inspector shows this machine what happens", "page", url+"/inspect/")
	server := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	slog.Info("closing: visitors are told to reconnect")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(live.Shutdown(ctx), server.Shutdown(ctx)) // in this order: links first, then the server
}

// newLive names the cookie after the port, because browsers send cookies to every port of
// a host. Otherwise two chats on one machine would overwrite each other's cookies. Behind
// a load balancer all processes need the same name instead.
func newLive(l net.Listener, keys [][]byte, dir string, inspector *inspect.Inspector) (*mirage.Live, error) {
	o := newRoom().options()
	o.Keys, o.Dir = keys, dir
	o.Name = "mirage-" + port(l)
	o.Insecure = true // for plain http: omit this with TLS
	o.Observer = inspector
	return mirage.Open(o)
}

// address returns the URL to type into a browser.
func address(addr string, l net.Listener) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port(l))
}

// port returns the port that l listens on. The system chooses it for an address like
// localhost:0.
func port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
