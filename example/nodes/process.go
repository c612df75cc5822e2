package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// keep runs a program until ctx ends, and starts it again when it ends before that.
func keep(ctx context.Context, name, program string, args ...string) {
	for ctx.Err() == nil {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stderr = os.Stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 15 * time.Second
		isolate(cmd)
		if err := cmd.Start(); err != nil {
			slog.Error("a process does not start", "name", name, "error", err)
			return
		}
		slog.Info("a process has started", "name", name, "pid", cmd.Process.Pid)
		err := cmd.Wait()
		if ctx.Err() != nil {
			return
		}
		slog.Warn("a process has ended: it starts again in two seconds", "name", name, "error", err)
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}

// listens waits until somebody listens on addr.
func listens(ctx context.Context, addr string) error {
	for range 200 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("it does not listen on " + addr)
}

// freePort returns a port that nobody uses.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
