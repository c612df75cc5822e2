//go:build linux

package transport_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport/sse"
)

const childOfDescriptors = "MIRAGE_TEST_DESCRIPTORS"

// L4: a process that has used up its file descriptors cannot accept connections for a
// while. Its streams continue, and once descriptors are free, the next client is served.
// The server is a process of its own, whose limit can be lowered.
func TestL4Descriptors(t *testing.T) {
	if os.Getenv(childOfDescriptors) != "" {
		fewDescriptors(t)
		return
	}

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestL4Descriptors$")
	cmd.Env = append(os.Environ(), childOfDescriptors+"=1")
	var log lockedBuffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close() // lets it end
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Error(err, log.String())
		}
	}()

	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err, log.String())
	}
	addr = strings.TrimSpace(addr)

	stream, err := opened(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.conn.Close()

	var crowd []net.Conn
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()

	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(log.String(), "too many open files"); {
		if len(crowd) < 200 {
			c, err := net.Dial("tcp", addr) // the kernel takes it, the server cannot
			if err != nil {
				t.Fatal(err)
			}
			crowd = append(crowd, c)
		}
		if time.Now().After(deadline) {
			t.Fatal("the descriptors have no end: ", log.String())
		}
	}

	for range 3 { // it goes on
		if err := stream.ticks(); err != nil {
			t.Fatal(err)
		}
	}

	for _, c := range crowd {
		c.Close()
	}

	late, err := opened(addr)
	if err != nil {
		t.Fatal("nobody is served any more: ", err)
	}
	defer late.conn.Close()
	if err := late.ticks(); err != nil {
		t.Error(err)
	}
	if err := stream.ticks(); err != nil {
		t.Error(err)
	}
}

// fewDescriptors is the server: it tells its address, sends a message to everybody now
// and then, and ends with its input.
func fewDescriptors(t *testing.T) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	srv, m := serve(t, session.Options{}, sse.Options{}, false)
	fmt.Println(srv.Listener.Addr())
	over := make(chan struct{})
	go func() { io.Copy(io.Discard, os.Stdin); close(over) }()
	for {
		select {
		case <-over:
			return
		case <-time.After(20 * time.Millisecond):
			if _, err := m.Broadcast(t.Context(), store.Text("tick")); err != nil {
				t.Error(err)
			}
		}
	}
}

// A ticking is a stream of such a server.
type ticking struct {
	conn net.Conn
	r    *bufio.Reader
}

func opened(addr string) (*ticking, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &ticking{conn, bufio.NewReader(conn)}
	fmt.Fprint(conn, get)
	return s, s.until("event: mirage\n")
}

func (s *ticking) ticks() error { return s.until("data: tick\n") }

func (s *ticking) until(line string) error {
	s.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		got, err := s.r.ReadString('\n')
		if err != nil || got == line {
			return err
		}
	}
}

// lockedBuffer may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
