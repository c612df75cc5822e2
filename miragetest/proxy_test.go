package miragetest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
)

// network is a proxy to a server. The test accepts the server's connections.
type network struct {
	*miragetest.Proxy
	server net.Listener
}

func newNetwork(t *testing.T) network {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return network{miragetest.NewProxy(t, ln.Addr().String()), ln}
}

// connect opens a connection through the proxy and returns both ends.
func (n network) connect(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	c, err := net.Dial("tcp", n.Addr())
	client = bounded(t, c, err)
	c, err = n.server.Accept()
	return client, bounded(t, c, err)
}

// mustRefuse requires that a new connection is reset, at the dial or at the first read.
func (n network) mustRefuse(t *testing.T) {
	t.Helper()
	if c, err := net.Dial("tcp", n.Addr()); err == nil {
		mustEnd(t, bounded(t, c, nil), miragetest.RST)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

// bounded sets a deadline on c, so that a broken test fails soon.
func bounded(t *testing.T, c net.Conn, err error) *net.TCPConn {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func mustWrite(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(r, b); err != nil || string(b) != want {
		t.Fatalf("read %q, error %v, want %q", b, err, want)
	}
}

// mustEnd reads the rest and requires that the connection ends as how says.
func mustEnd(t *testing.T, r io.Reader, how miragetest.Ending) (left []byte) {
	t.Helper()
	left, err := io.ReadAll(r)
	if how == miragetest.FIN && err != nil || how == miragetest.RST && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("ended with %v, want %v", err, how)
	}
	return left
}

// until waits for a condition that another goroutine brings about in real time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

var endings = []miragetest.Ending{miragetest.FIN, miragetest.RST}

func TestProxyPasses(t *testing.T) {
	n := newNetwork(t)
	client, server := n.connect(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, way := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		go func() {
			way[0].Write(data)
			way[0].CloseWrite()
		}()
		if got := mustEnd(t, way[1], miragetest.FIN); !bytes.Equal(got, data) {
			t.Fatalf("read %d bytes that are not those written", len(got))
		}
	}
	until(t, "the connection is forgotten", func() bool { return n.Stats().Open == 0 })
	if got, want := n.Stats(), (miragetest.Stats{Connections: 1, Up: 1 << 20, Down: 1 << 20}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

func TestProxyURL(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	for _, target := range []string{srv.URL, srv.Listener.Addr().String()} {
		t.Run(target, func(t *testing.T) {
			resp, err := srv.Client().Get(miragetest.NewProxy(t, target).URL() + "/")
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			srv.Client().CloseIdleConnections()
		})
	}
}

// An abort by one peer reaches the other as an abort.
func TestProxyPassesReset(t *testing.T) {
	n := newNetwork(t)
	client, server := n.connect(t)
	server.SetLinger(0)
	server.Close()
	mustEnd(t, client, miragetest.RST)
}

func TestProxyWithoutServer(t *testing.T) {
	n := newNetwork(t)
	n.server.Close()
	n.mustRefuse(t)
}

// The end of a test closes every connection, in any state, and the proxy's port.
func TestProxyCleanup(t *testing.T) {
	var n network
	var ends []*net.TCPConn
	t.Run("with open connections", func(t *testing.T) {
		n = newNetwork(t)
		open := func() {
			client, err := net.Dial("tcp", n.Addr())
			if err != nil {
				t.Fatal(err)
			}
			server, err := n.server.Accept()
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, client.(*net.TCPConn), server.(*net.TCPConn))
		}

		open()
		n.Cut(miragetest.FIN) // lingers, as no peer closes
		open()
		n.Hole()
		n.Delay(time.Hour)

		client, err := net.Dial("tcp", n.Addr())
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, client.(*net.TCPConn))
		until(t, "three connections", func() bool { return n.Stats().Open == 3 })
	})

	if got := n.Stats().Open; got != 0 {
		t.Errorf("%d connections are left", got)
	}
	if c, err := net.Dial("tcp", n.Addr()); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
	for _, c := range ends {
		bounded(t, c, nil)
		io.Copy(io.Discard, c)
	}
}
