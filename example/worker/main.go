// Command worker gives jobs to workers, which are programs of their own. Kill any of them
// with kill -9, the server included, and start it again: no job and no answer is lost. A
// job that may have been given out before is marked as such.
//
// Start the server, open its page, and start as many workers as you like:
//
//	go run ./example/worker
//	go run ./example/worker -work http://localhost:8080/work -state one.json
//	go run ./example/worker -work http://localhost:8080/work -state two.json
//
// The jobs and their answers are in the file jobs.log of the directory worker-data. The
// sessions of the workers are in that directory, too, or elsewhere:
//
//	go run ./example/worker -sessions localhost:6379   # in a Redis
//	go run ./example/worker -sessions memory           # lost by a restart
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

// settings are the flags.
type settings struct {
	addr, dir, sessions string
	jobs                int
	lease               time.Duration

	work, state, token string
}

func main() {
	var s settings
	flag.StringVar(&s.addr, "addr", "localhost:8080", "`address` to listen on")
	flag.StringVar(&s.dir, "dir", "worker-data", "`directory` for the jobs, the sessions and the token")
	flag.StringVar(&s.sessions, "sessions", "disk", "where sessions are: disk, memory, or the `address` of a Redis")
	flag.IntVar(&s.jobs, "jobs", 0, "begin with this `number` of jobs, unless there are some")
	flag.DurationVar(&s.lease, "lease", 30*time.Second, "`time` after which an unanswered job goes to another worker")
	flag.StringVar(&s.work, "work", "", "be a worker for the server at this `URL`")
	flag.StringVar(&s.state, "state", "worker.json", "`file` in which the worker keeps its state")
	flag.StringVar(&s.token, "token", "", "`file` with the token of the workers (default: token in -dir)")
	flag.Parse()
	if s.token == "" {
		s.token = filepath.Join(s.dir, "token")
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	run := serve
	if s.work != "" {
		run = work
	}
	if err := run(ctx, s); err != nil {
		slog.Error("worker failed", "error", err)
		os.Exit(1)
	}
}

// serve gives out jobs until ctx ends.
func serve(ctx context.Context, o settings) error {
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it, too, once it serves
	_, port, _ := net.SplitHostPort(listener.Addr().String())

	s, err := newServer(o, port)
	if err != nil {
		return err
	}
	slog.Info("the server is open", "url", "http://"+net.JoinHostPort("localhost", port))

	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, s.close(ctx), server.Shutdown(ctx)) // in this order: links first, then the server
}
