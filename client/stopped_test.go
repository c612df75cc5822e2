//go:build unix

package client_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: a process is stopped, as by a debugger or a machine that is suspended, until the
// server has given up its link. When it continues, it gets what it has missed, and what
// it was about to send is handled once.
func TestC1Stopped(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts a program and waits for the server")
	}
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var up []string
			closed := make(chan struct{}, 10)
			live := mirage.New(mirage.Options{
				Insecure: true, Logger: slog.New(slog.DiscardHandler),
				AckTimeout: time.Second, Heartbeat: time.Second,
				OnClose: func(mirage.Closed) { closed <- struct{}{} },
				OnMessage: func(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
					mu.Lock()
					defer mu.Unlock()
					up = append(up, string(in.Data))
					return nil
				},
			})
			server := httptest.NewServer(live)
			t.Cleanup(server.Close)
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_ = live.Shutdown(ctx)
			})

			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "MIRAGE_CHILD="+server.URL+" "+transport)
			child.Stderr = t.Output()
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = child.Process.Kill()
				_ = child.Wait()
			})
			lines := bufio.NewScanner(out)
			next := func() string {
				t.Helper()
				if !lines.Scan() {
					t.Fatalf("the child has ended: %v", lines.Err())
				}
				return lines.Text()
			}

			id := next()
			n := 0
			send := func() {
				t.Helper()
				if _, err := live.Send(t.Context(), id, mirage.Text(fmt.Sprint(n))); err != nil {
					t.Fatal(err)
				}
				n++
			}
			send()
			if got := next(); got != "0" {
				t.Fatalf("got %q, want 0", got)
			}

			if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			var ended <-chan time.Time
			if transport == client.Poll {
				ended = time.After(3 * time.Second)
			}
			for range 20 {
				send()
			}
			select {
			case <-closed: // the server ends a stream on which nothing is acknowledged
			case <-time.After(30 * time.Second):
				t.Fatal("the server did not end the link")
			case <-ended: // a poll has had its answer, and nobody reads it
			}
			if err := child.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			for i := 1; i < n; i++ {
				if got := next(); got != fmt.Sprint(i) {
					t.Fatalf("got %q, want %d", got, i)
				}
			}

			want := strings.Join(numbers(0, n), " ")
			got := func() string {
				mu.Lock()
				defer mu.Unlock()
				return strings.Join(up, " ")
			}
			for deadline := time.Now().Add(10 * time.Second); got() != want; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the application was called with %q, want %q", got(), want)
				}
			}
		})
	}
}
