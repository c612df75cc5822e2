package miragetest_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/test/memnet"
	"github.com/mirage-go/mirage/miragetest"
)

// bubble runs test in a synctest bubble, with a proxy between two networks in memory.
func bubble(t *testing.T, test func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		front, back := memnet.Listen(), memnet.Listen()
		test(t, miragetest.NewProxyOn(t, front, back.Dial), front, back)
		back.Close()
	})
}

func pair(t *testing.T, front, back *memnet.Listener) (client, server net.Conn) {
	t.Helper()
	client, err := front.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = back.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func took(t *testing.T, begin time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(begin); d != want {
		t.Errorf("took %v, want %v", d, want)
	}
}

func TestDelay(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		client, server := pair(t, front, back)
		p.Delay(300 * time.Millisecond)
		begin := time.Now()
		for range 3 {
			mustWrite(t, client, "a")
			time.Sleep(100 * time.Millisecond)
		}
		mustRead(t, server, "a")
		took(t, begin, 300*time.Millisecond)
		mustRead(t, server, "aa") // they travelled at the same time
		took(t, begin, 500*time.Millisecond)

		mustWrite(t, server, "b")
		mustRead(t, client, "b")
		took(t, begin, 800*time.Millisecond)

		client.Close() // an end travels no faster
		mustEnd(t, server, miragetest.FIN)
		took(t, begin, 1100*time.Millisecond)
	})
}

func TestBandwidth(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		client, server := pair(t, front, back)
		p.Bandwidth(1000)
		begin := time.Now()
		go io.WriteString(client, strings.Repeat("a", 8212))
		mustRead(t, server, strings.Repeat("a", 8212))
		took(t, begin, 8192*time.Millisecond) // nothing is behind the last piece, of 20 bytes, to wait for it
		synctest.Wait()

		time.Sleep(time.Second)
		p.Heal()
		begin = time.Now()
		mustWrite(t, client, strings.Repeat("a", 10_000))
		mustRead(t, server, strings.Repeat("a", 10_000))
		took(t, begin, 0)
	})
}

// A cut does not wait for bytes on their way.
func TestCutDuringDelay(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		client, server := pair(t, front, back)
		p.Delay(time.Hour)
		begin := time.Now()
		mustWrite(t, client, "lost")
		synctest.Wait()
		p.Cut(miragetest.FIN)
		if b := mustEnd(t, server, miragetest.FIN); len(b) > 0 {
			t.Errorf("%q passed", b)
		}
		took(t, begin, 0)
	})
}

func TestHole(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		client, server := pair(t, front, back)
		silence := func(c net.Conn) {
			t.Helper()
			c.SetReadDeadline(time.Now().Add(time.Hour))
			if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read %d bytes, error %v", n, err)
			}
		}
		p.Delay(24 * time.Hour) // does not keep the hole from taking what follows
		mustWrite(t, server, "on its way")
		synctest.Wait()
		p.Hole()
		big := strings.Repeat("a", 1<<20) // the hole takes it, otherwise the write would block
		mustWrite(t, client, big)
		mustWrite(t, server, big)
		silence(client)
		silence(server)
		time.Sleep(24 * time.Hour)
		silence(client)

		late, err := front.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, late, big)
		silence(late)

		p.Heal()
		silence(client) // the old ones stay there
		mustWrite(t, client, "lost")
		client.Close()
		silence(server)
		silence(late)
		late.Close()
		client, server = pair(t, front, back)
		mustWrite(t, client, "heard")
		mustRead(t, server, "heard")
	})
}

// Under Hold a response arrives when it has ended, on one connection after the other
// response, and an upgrade passes at once.
func TestHold(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		p.Hold()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch rc := http.NewResponseController(w); r.URL.Path {
			case "/length":
				w.Header().Set("Content-Length", "10")
				fallthrough
			case "/chunked":
				io.WriteString(w, "first")
				rc.Flush()
				time.Sleep(10 * time.Second)
				io.WriteString(w, " last")
			case "/aborted":
				io.WriteString(w, "first")
				rc.Flush()
				time.Sleep(10 * time.Second)
				panic(http.ErrAbortHandler)
			case "/huge":
				io.Copy(w, io.LimitReader(zeros{}, 17<<20))
				rc.Flush()
				time.Sleep(10 * time.Second)
			case "/upgrade":
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("Upgrade", "echo")
				w.WriteHeader(http.StatusSwitchingProtocols)
				conn, _, _ := rc.Hijack()
				io.Copy(conn, conn)
				conn.Close()
			}
		})}

		go srv.Serve(back)
		defer srv.Close()
		client := front.Client()
		defer client.CloseIdleConnections()

		get := func(path, want string, wait time.Duration, failed bool) {
			t.Helper()
			begin := time.Now()
			resp, err := client.Get("http://mem" + path)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			took(t, begin, wait)
			if b, err := io.ReadAll(resp.Body); string(b) != want || (err != nil) != failed {
				t.Errorf("read %.20q, error %v", b, err)
			}
		}

		get("/chunked", "first last", 10*time.Second, false)
		get("/length", "first last", 10*time.Second, false)
		if got := p.Stats().Connections; got != 1 {
			t.Errorf("two responses took %d connections", got)
		}

		get("/huge", strings.Repeat("\x00", 17<<20), 0, false)
		client.CloseIdleConnections() // this one is held no more
		get("/aborted", "first", 10*time.Second, true)

		begin := time.Now()
		req, _ := http.NewRequest("GET", "http://mem/upgrade", nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("upgrade: %v, %v", resp, err)
		}
		defer resp.Body.Close()
		mustWrite(t, resp.Body.(io.Writer), "hello")
		mustRead(t, resp.Body, "hello")
		took(t, begin, 0)
	})
}

// Traffic that is not HTTP passes under Hold as well.
func TestHoldOtherProtocols(t *testing.T) {
	bubble(t, func(t *testing.T, p *miragetest.Proxy, front, back *memnet.Listener) {
		p.Hold()
		client, server := pair(t, front, back)
		mustWrite(t, server, "220 not HTTP\r\n")
		mustRead(t, client, "220 not HTTP\r\n")
		mustWrite(t, server, "more")
		mustRead(t, client, "more")
	})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
