//go:build unix

package disk_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
)

var kills = flag.Int("kills", 12, "how many times TestS2Kill kills the server")

// S2, S5: a loaded server is killed (-9) again and again, at random moments. Its clients,
// on three transports, resume, and have everything that was answered once and in order.
// What the application was asked to do twice, because the answer was lost, it is told.
func TestS2Kill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it starts and kills programs")
	}
	dir := t.TempDir()
	addr := freeAddr(t)
	s := startServer(t, dir, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()

	var visitors []*visitor
	for range 2 {
		for _, transport := range []string{client.WebSocket, client.SSE, client.Poll} {
			visitors = append(visitors, newVisitor(t, ctx, "http://"+addr, transport))
		}
	}
	traffic, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, v := range visitors {
		work.Go(func() { v.push(traffic) })
		work.Go(func() { v.speak(traffic) })
	}
	for range *kills {
		time.Sleep(time.Duration(50+rand.IntN(400)) * time.Millisecond) // traffic: the moment is random
		s.kill(t)
		s = startServer(t, dir, addr)
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	work.Wait()

	pushed, said, repeated := 0, 0, 0
	for _, v := range visitors {
		v.finish(ctx)
		pushed, said, repeated = pushed+v.pushed, said+v.said, repeated+len(v.retried)
	}
	t.Logf("%d kills, %d messages down, %d up, %d asked for twice", *kills, pushed, said, repeated)
	if pushed < 10**kills || said < 10**kills {
		t.Error("there was hardly any traffic")
	}
}

// A visitor is a client, and what it is to get.
type visitor struct {
	*testing.T
	base   string
	client *client.Client

	pushed  int          // how many messages the server was asked to send
	retried map[int]bool // those for which it was asked more than once
	said    int          // how many messages the client has sent
	failed  atomic.Bool

	mu    sync.Mutex
	got   []string
	again map[string]bool // what the application was told may be a repeat
	done  chan struct{}
}

func newVisitor(t *testing.T, ctx context.Context, base, transport string) *visitor {
	v := &visitor{T: t, base: base, retried: map[int]bool{}, again: map[string]bool{}, done: make(chan struct{})}
	var err error
	v.client, err = client.Dial(ctx, base+"/live", client.Options{
		Transports: []string{transport}, MaxDelay: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.done)
		for m, err := range v.client.Messages(ctx) {
			switch {
			case errors.Is(err, client.ErrClosed):
				return
			case err != nil:
				t.Errorf("%s: %v", transport, err)
				v.failed.Store(true)
				return
			}
			v.mu.Lock()
			v.got = append(v.got, string(m.Data))
			v.mu.Unlock()
		}
	}()
	return v
}

// push asks the server to send one message after the other, each until it says that it
// has.
func (v *visitor) push(ctx context.Context) {
	for ctx.Err() == nil && !v.failed.Load() {
		n := v.pushed
		for try := 0; ; try++ {
			query := url.Values{"id": {v.client.ID()}, "text": {"down-" + strconv.Itoa(n)}}
			resp, err := http.Post(v.base+"/push?"+query.Encode(), "", nil)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusNoContent {
					break
				}
			}
			v.retried[n] = true
			time.Sleep(5 * time.Millisecond) // the server is starting
		}
		v.pushed++
	}
}

// speak sends one message after the other, and waits until each was handled.
func (v *visitor) speak(ctx context.Context) {
	for ctx.Err() == nil && !v.failed.Load() {
		text := "up-" + strconv.Itoa(v.said)
		if err := v.client.Send(context.WithoutCancel(ctx), client.Message{Data: []byte(text)}); err != nil {
			v.Errorf("Send: %v", err)
			return
		}
		v.said++
		time.Sleep(2 * time.Millisecond) // a rate
	}
}

// finish waits until everything has come, and checks it.
func (v *visitor) finish(ctx context.Context) {
	v.Helper()
	for deadline := time.Now().Add(30 * time.Second); !v.failed.Load(); time.Sleep(5 * time.Millisecond) {
		if v.check() {
			break
		}
		if time.Now().After(deadline) {
			v.mu.Lock()
			last := v.got[max(0, len(v.got)-5):]
			v.Errorf("%d pushed, %d said, and the last of %d: %q", v.pushed, v.said, len(v.got), last)
			v.mu.Unlock()
			break
		}
	}
	_ = v.client.Close(ctx)
	<-v.done
}

// check reports whether everything has come: once and in order, but for what was asked
// for twice. What the application was told to be a repeat has a question mark.
func (v *visitor) check() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	down, up := 0, 0
	for _, text := range v.got {
		kind, number, _ := strings.Cut(text, "-")
		repeat := strings.HasSuffix(number, "?")
		n, _ := strconv.Atoi(strings.TrimSuffix(number, "?"))
		switch {
		case kind == "down" && n == down:
			down++
		case kind == "up" && n == up:
			up++
		case kind == "down" && n == down-1 && v.retried[n]:
		case kind == "up" && n < up && repeat:
		default:
			v.Errorf("%q came after down-%d and up-%d", text, down-1, up-1)
			v.failed.Store(true)
			return true
		}
	}
	return down == v.pushed && up == v.said
}

// A server is another process.
type server struct{ cmd *exec.Cmd }

// startServer starts a server that listens on addr, or on the socket.
func startServer(t *testing.T, dir, addr string, socket ...*os.File) *server {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "MIRAGE_SERVER="+dir+" "+addr)
	cmd.Stderr, cmd.ExtraFiles = t.Output(), socket
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines, said := bufio.NewScanner(out), []string(nil)
	for lines.Scan() {
		said = append(said, lines.Text())
		if lines.Text() == "ready" {
			go func() {
				for lines.Scan() { // until it ends
				}
			}()
			return &server{cmd}
		}
	}
	t.Fatalf("the server did not start: %q", said)
	return nil
}

func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
}

func freeAddr(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
