//go:build unix

package disk_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

// S1, S5: one process takes over from another, as in a deploy, while the port stays open,
// as with a socket of systemd. The new process starts at once, and waits for the
// directory. Clients on each transport resume, and lose nothing.
func TestS5RollingRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts programs")
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	socket, err := port.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir, url := t.TempDir(), "http://"+port.Addr().String()
	old := startServer(t, dir, "fd", socket)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var work sync.WaitGroup
	for _, transport := range []string{client.WebSocket, client.SSE, client.Poll, ""} {
		w := &watch{since: time.Now()}
		o := client.Options{OnState: w.state, Logger: slog.New(slog.DiscardHandler)}
		if transport != "" {
			o.Transports = []string{transport}
		}
		c, err := client.Dial(ctx, url+"/live", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		work.Go(func() {
			n := 0
			for m, err := range c.Messages(ctx) {
				if err != nil {
					t.Errorf("%q: %v", transport, err)
					return
				}
				if want := fmt.Sprint(n); string(m.Data) != want {
					t.Errorf("%q: got %q, want %s", transport, m.Data, want)
				}
				if n++; n == messages {
					break
				}
			}
			t.Logf("%q: the longest time without a link was %v", transport, w.longest())
		})
		work.Go(func() {
			for n := range messages {
				if err := c.Send(ctx, client.Message{Data: fmt.Append(nil, n)}); err != nil {
					t.Errorf("%q: %v", transport, err)
				}
				time.Sleep(10 * time.Millisecond) // a rate
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // traffic
	if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	startServer(t, dir, "fd", socket)
	if err := old.cmd.Wait(); err != nil {
		t.Errorf("the old process: %v", err)
	}
	work.Wait()
}

const messages = 200 // from each client: about two seconds of them

// A watch notes how long a client has no link.
type watch struct {
	mu    sync.Mutex
	since time.Time // zero while there is a link
	most  time.Duration
}

func (w *watch) state(s client.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case s.Phase == client.PhaseOpen && !w.since.IsZero():
		w.most = max(w.most, time.Since(w.since))
		w.since = time.Time{}
	case s.Phase != client.PhaseOpen && w.since.IsZero():
		w.since = time.Now()
	}
}

func (w *watch) longest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}
