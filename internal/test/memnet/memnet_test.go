package memnet_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/mirage-go/mirage/internal/test/memnet"
)

// connect returns both ends of a new connection.
func connect(t testing.TB) (near, far net.Conn) {
	l := memnet.Listen()
	t.Cleanup(func() { l.Close() })
	accepted := make(chan net.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	near, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return near, <-accepted
}

// An hour of heartbeats takes no real time, and the client sees that the server ends.
func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		beats := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for rc := http.NewResponseController(w); ; {
				rc.SetWriteDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(w, ":\n"); err != nil || rc.Flush() != nil {
					return
				}
				select {
				case <-time.After(15 * time.Second):
				case <-r.Context().Done():
					return
				}
			}
		})
		srv := &http.Server{Handler: beats}
		go srv.Serve(l)

		client := l.Client()
		begin := time.Now()
		resp, err := client.Get("http://" + l.Addr().String() + "/")
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewScanner(resp.Body)
		for range 241 {
			if !body.Scan() || body.Text() != ":" {
				t.Fatalf("read %q, error %v", body.Text(), body.Err())
			}
		}
		if d := time.Since(begin); d != time.Hour {
			t.Errorf("241 beats took %v, want 1h", d)
		}
		srv.Close()
		if body.Scan(); body.Err() == nil {
			t.Error("the end of the server was not seen")
		}
		resp.Body.Close()
		client.CloseIdleConnections()
		if _, err := client.Get("http://mem/"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialed a closed listener: %v", err)
		}
	})
}

// If the peer reads nothing, 64 KiB can be written. Then a write blocks until its
// deadline.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := connect(t)
		defer near.Close()
		defer far.Close()
		near.SetWriteDeadline(time.Now().Add(10 * time.Second))
		begin := time.Now()
		n, err := near.Write(make([]byte, 100<<10))
		if n != 64<<10 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 10*time.Second {
			t.Errorf("wrote %d in %v, error %v", n, time.Since(begin), err)
		}
		near.SetWriteDeadline(time.Time{})
		go near.Write(bytes.Repeat([]byte{1}, 100<<10))
		if n, err := io.ReadFull(far, make([]byte, 164<<10)); err != nil {
			t.Errorf("read %d, error %v", n, err)
		}
	})
}

func TestClose(t *testing.T) {
	near, far := connect(t)
	near.Write([]byte("last"))
	near.(interface{ CloseWrite() error }).CloseWrite()
	if b, err := io.ReadAll(far); string(b) != "last" || err != nil {
		t.Errorf("read %q, error %v", b, err)
	}
	if _, err := far.Write([]byte("still open")); err != nil {
		t.Errorf("the other direction: %v", err)
	}
	near.Close()
	if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed peer: %v", err)
	}
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestDialEnds(t *testing.T) {
	l := memnet.Listen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("dial with a cancelled context: %v", err)
	}
	l.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after Close: %v", err)
	}
}

// TestConn runs the conformance suite of golang.org/x/net for a net.Conn.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		near, far := connect(t)
		return near, far, func() { near.Close(); far.Close() }, nil
	})
}
