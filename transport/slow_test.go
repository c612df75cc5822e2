package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// gauge counts the requests under way.
type gauge struct{ atomic.Int64 }

func (g *gauge) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Add(1)
		defer g.Add(-1)
		next.ServeHTTP(w, r)
	})
}

// narrow is a listener that counts its connections and gives them small buffers, or the
// kernel takes a whole log.
type narrow struct {
	net.Listener
	open atomic.Int64
}

func (n *narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n.open.Add(1)
	conn := &narrowConn{Conn: c, close: sync.OnceFunc(func() { n.open.Add(-1) })}
	return conn, c.(*net.TCPConn).SetWriteBuffer(4 << 10)
}

type narrowConn struct {
	net.Conn
	close func()
}

func (n *narrowConn) Close() error { n.close(); return n.Conn.Close() }

// L2: a stream whose client reads nothing ends at the write deadline and not before, its
// neighbour in the same session waits for nothing, and what it did not read is there when
// it comes back.
func TestL2SlowReaderIsCut(t *testing.T) {
	const size, n = 60 << 10, 100 // more than HTTP/2's window and memnet's
	text := strings.Repeat("x", size)

	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			var gone time.Time
			s := setup{server: version.server, session: session.Options{
				MaxBytes: 16 << 20, AckTimeout: -1, Heartbeat: -1,
				OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { gone = time.Now() },
			}}
			inWorld(t, s, func(w *world) {
				b := w.browser()
				version.client(b)

				quick, slow := b.tab(), b.tab()
				quick.open()
				r, err := b.request(w.Context(), "GET", slow.query(""), "")
				w.must(err)
				defer r.Body.Close()
				synctest.Wait()

				start := time.Now()
				for range n {
					w.send(quick.hello.ID, text)
				}
				synctest.Wait()
				if len(quick.got) != n || time.Since(start) != 0 {
					t.Errorf("the quick one has %d messages after %v", len(quick.got), time.Since(start))
				}

				time.Sleep(30 * time.Second)
				synctest.Wait()
				if cut := gone.Sub(start) - 10*time.Second; cut < 10*time.Second || cut > 15*time.Second {
					t.Errorf("the slow one was cut after %v", cut)
				}

				slow.open()
				if len(slow.got) != n {
					t.Errorf("back again it got %d messages of %d", len(slow.got), n)
				}
			})
		})
	}
}

// L2: so does a poll's answer that its client does not read, however much of its hold is
// left.
func TestL2SlowPollIsCut(t *testing.T) {
	text := strings.Repeat("x", 60<<10)
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			var under gauge
			s := setup{
				session: session.Options{MaxBytes: 16 << 20, MaxMessageSize: 8 << 20},
				around:  []wrapper{under.around},
				server:  version.server,
			}

			inWorld(t, s, func(w *world) {
				b := w.browser()
				version.client(b)
				tab := b.tab()
				tab.poll("25")
				go b.request(w.Context(), "GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token())
				synctest.Wait()

				start := time.Now()
				w.send(tab.hello.ID, strings.Repeat(text, 100)) // more than HTTP/2's window and memnet's
				for under.Load() > 0 && time.Since(start) < time.Minute {
					time.Sleep(100 * time.Millisecond)
				}

				if d := time.Since(start); d < 9900*time.Millisecond || d > 15100*time.Millisecond {
					t.Errorf("cut after %v", d)
				}
			})
		})
	}
}

// L2, D4: Send waits for none of 200 clients that read nothing; they are cut, and their
// logs kept.
func TestL2SendNeverWaits(t *testing.T) {
	const clients, n = 200, 50
	text := strings.Repeat("x", 4<<10)
	s := newSite(t, setup{
		session: session.Options{AckTimeout: -1, WriteTimeout: 300 * time.Millisecond},
	})

	conns := &narrow{Listener: s.srv.Listener}
	s.srv.Listener = conns
	s.srv.Start()

	get := func(i int, slow bool) *bufio.Reader {
		conn, err := net.Dial("tcp", s.srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if slow {
			_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "GET /live?_cid=a-slow-client-%020d HTTP/1.1\r\nHost: x\r\n"+
			"Accept: text/event-stream\r\nCookie: %s\r\n\r\n", i, s.cookie(fmt.Sprint("slow", i)))
		return bufio.NewReader(conn)
	}

	for i := range clients {
		if _, err := get(i, true).ReadString('\n'); err != nil { // the status; and then nothing more
			t.Fatal(err)
		}
	}

	took := make([]time.Duration, 0, clients*n)
	for range n {
		for i := range clients {
			start := time.Now()
			if _, err := s.m.Send(t.Context(), fmt.Sprint("slow", i), store.Text(text)); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(start))
		}
	}

	slices.Sort(took)
	median, p99, longest := took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	t.Logf("Send to %d clients that read nothing: median %v, p99 %v, longest %v", clients, median, p99, longest)
	if p99 > 5*time.Millisecond || longest > time.Second {
		t.Errorf("Send waits: p99 %v, longest %v", p99, longest)
	}

	for deadline := time.Now().Add(10 * time.Second); conns.open.Load() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d slow clients are not cut", conns.open.Load())
		}
	}

	for i := 0; i < clients; i += 20 {
		got := 0
		for b := get(i, false); got < n; {
			line, err := b.ReadString('\n')
			if err != nil {
				t.Fatalf("client %d: %d messages, then %v", i, got, err)
			}
			if strings.TrimSpace(line) == "data: "+text {
				got++
			}
		}
	}
}

// W6: a body that does not come is not waited for, whatever else is wrong with the
// request: the answer comes, and the connection ends.
func TestW6BodyThatStalls(t *testing.T) {
	for _, tt := range []struct {
		name, header, body string
		status             int
	}{
		{"in the middle", "Content-Length: 100", "event: mirage-up\n", 408},
		{"at the beginning", "Content-Length: 100", "", 408},
		{"in a chunk", "Transfer-Encoding: chunked", "64\r\nevent: mirage-up\n", 408},
		{"too large anyway", "Content-Length: 200000", "event: mirage-up\n", 413},
		{"encoded anyway", "Content-Encoding: gzip\r\nContent-Length: 100", "x", 415},
		{"foreign anyway", "Origin: http://evil.example\r\nContent-Length: 100", "x", 403},
		{"without a link anyway", "Content-Length: 100", "x", 401},
		{"to the wrong method", "Content-Length: 100", "x", 405},
		{"refused by a hook anyway", "X-Refuse: 1\r\nContent-Length: 100", "x", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var under gauge
			hook := middleware.Options{Generate: func(r *http.Request) (string, error) {
				if r.Header.Get("X-Refuse") != "" {
					return "", &middleware.Error{Status: 403, Reason: "no"}
				}
				return "ann", nil
			}}
			inWorld(t, setup{around: []wrapper{under.around}, identity: hook}, func(w *world) {
				conn, err := w.net.Dial(w.Context())
				w.must(err)
				defer conn.Close()

				method, more := "POST", ""
				switch tt.status {
				case 405:
					method = "PUT"
				case 408, 413: // these look at the session first
					tab := w.browser().tab()
					tab.poll("0")
					more = tab.credentials()
				}

				fmt.Fprintf(conn, "%s /live HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"+
					"Content-Type: text/event-stream\r\n%s%s\r\n\r\n%s", method, more, tt.header, tt.body)
				w.must(conn.SetReadDeadline(time.Now().Add(5 * time.Minute)))
				start := time.Now()
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)

				if err != nil {
					w.Fatalf("after %v, with %d requests under way: %v", time.Since(start), under.Load(), err)
				}
				if resp.StatusCode != tt.status || time.Since(start) > 11*time.Second {
					t.Errorf("%s after %v", resp.Status, time.Since(start))
				}

				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if _, err := conn.Read(make([]byte, 1)); err != io.EOF || time.Since(start) > 12*time.Second {
					t.Errorf("the connection: %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// D4: over a network that has become a black hole writes succeed for long; what was sent
// there comes when the client is back.
func TestD4WrittenIntoAHole(t *testing.T) {
	s := started(t, setup{})
	proxy := miragetest.NewProxy(t, s.srv.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, h, err := s.connect(ctx, proxy.URL()+"/live", client.Options{Transports: []string{client.SSE}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	proxy.Hole()
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprint(i, strings.Repeat("x", 4<<10)))
		if _, err := s.m.Send(ctx, c.ID(), store.Text(want[i])); err != nil {
			t.Fatal(err)
		}
	}
	c.Disconnect()
	h.CloseIdleConnections()
	proxy.Heal()
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := receive(ctx, c, len(want)); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d messages, %v", len(got), err)
	}
}
