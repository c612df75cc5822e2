package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/internal/needs"
	"github.com/mirage-go/mirage/store/redis"
)

var ctx = context.Background()

// server is a redis-server of a test's own.
type server struct {
	tb      testing.TB
	program string
	addr    string
	dir     string
	args    []string
	cmd     *exec.Cmd
}

// startServer starts one with these settings on a free port. Without a redis-server the
// test ends as needs.Program says.
func startServer(tb testing.TB, args ...string) *server {
	tb.Helper()
	program := needs.Program(tb, "redis-server")
	s := &server{tb: tb, program: program, addr: freeAddr(tb), dir: tb.TempDir(), args: args}
	tb.Cleanup(s.kill)
	s.start()
	return s
}

// freeAddr returns an address that no server listens to, and that no other test was
// given: servers that are killed start again where they were.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		addr := ln.Addr().String()
		ln.Close()
		if _, given := addrs.LoadOrStore(addr, true); !given {
			return addr
		}
	}
}

var addrs sync.Map

func (s *server) start() {
	s.tb.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	args := append([]string{
		"--port", port, "--bind", host, "--dir", s.dir,
		"--save", "", "--daemonize", "no", "--loglevel", "warning",
	}, s.args...)
	s.cmd = exec.Command(s.program, args...)
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	for range 500 {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			c.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.tb.Fatalf("redis-server on %s does not start", s.addr)
}

// kill is kill -9.
func (s *server) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func dial(tb testing.TB, addr string) rueidis.Client {
	tb.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, DisableCache: true, ConnWriteTimeout: time.Second, ForceSingleClient: true,
		Dialer: net.Dialer{Timeout: 3 * time.Second}, ReadBufferEachConn: 1 << 14, WriteBufferEachConn: 1 << 14,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// newStore is a Store of a test's own data, unless it is told the prefix.
func newStore(tb testing.TB, c rueidis.Client, o redis.Options) *redis.Store {
	if o.Prefix == "" {
		o.Prefix = fmt.Sprint("t", prefixes.Add(1))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler) // these servers keep nothing, and are warned about
	}
	s := redis.New(c, o)
	tb.Cleanup(s.Close)
	return s
}

var prefixes atomic.Int64

// startMini starts a miniredis whose keys expire as time goes by.
func startMini(tb testing.TB) string {
	m := miniredis.RunT(tb)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		last := time.Now()
		for {
			select {
			case <-time.After(5 * time.Millisecond):
				m.FastForward(time.Since(last))
				last = time.Now()
			case <-stop:
				return
			}
		}
	}()
	tb.Cleanup(func() { close(stop); <-done })
	return m.Addr()
}
