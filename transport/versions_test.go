package transport_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// version is how a server and a browser speak a version of HTTP without TLS.
type version struct {
	server func(*http.Server)
	client func(*browser)
}

var versions = map[string]version{
	"HTTP/1.1": {func(*http.Server) {}, func(*browser) {}},
	"HTTP/2": {
		func(s *http.Server) { s.Protocols = new(http.Protocols); unencrypted(s.Protocols) },
		func(b *browser) {
			t := b.client.Transport.(*http.Transport)
			t.Protocols = new(http.Protocols)
			unencrypted(t.Protocols)
			b.streams = true // net/http has no WebSocket there
		},
	},
}

// unencrypted is HTTP/2 alone, and without TLS.
func unencrypted(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }

// W1, D2: an exchange over every version of HTTP, over TLS too.
func TestW1Versions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		proto string
		start func(*site)
		use   func(*http.Protocols)
	}{
		{"HTTP/1.1", "HTTP/1.1", func(s *site) { s.srv.Start() }, nil},
		{"HTTP/1.1, TLS", "HTTP/1.1", func(s *site) { s.srv.StartTLS() }, nil},
		{"HTTP/2, TLS", "HTTP/2.0", func(s *site) {
			s.srv.EnableHTTP2 = true
			s.srv.StartTLS()
		}, func(p *http.Protocols) { p.SetHTTP2(true) }},
		{"HTTP/2, no TLS", "HTTP/2.0", func(s *site) {
			s.srv.Config.Protocols = new(http.Protocols)
			s.srv.Config.Protocols.SetHTTP1(true)
			unencrypted(s.srv.Config.Protocols)
			s.srv.Start()
		}, unencrypted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, setup{session: session.Options{OnAttach: greet}})
			tt.start(s)
			of := ways
			if tt.proto == "HTTP/2.0" { // net/http has no WebSocket there
				of = answers
			}

			for way, f := range of {
				c := s.client(tt.use)
				resp, err := c.Head(s.url())
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.Proto != tt.proto {
					t.Fatalf("speaks %s", resp.Proto)
				}

				if err := exchange(s, s.url(), c, f); err != nil {
					t.Errorf("%s: %v", way, err)
				}
			}
		})
	}
}

// W1, D2: to HTTP/1.0, as nginx speaks by default, a stream is a body that ends with the
// connection; hello is first, and a cut resumes.
func TestW1HTTP10(t *testing.T) {
	s := started(t, setup{})
	const cid = "an-old-client-0123456789"

	ask := func(query string) (*bufio.Reader, net.Conn) {
		conn, err := net.Dial("tcp", s.srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, "GET /live?_cid="+cid+query+" HTTP/1.0\r\n"+
			"Accept: text/event-stream\r\nCookie: "+s.cookie("old")+"\r\n\r\n")
		b := bufio.NewReader(conn)
		resp, err := http.ReadResponse(b, nil)
		if err != nil || resp.StatusCode != 200 || len(resp.TransferEncoding) > 0 {
			t.Fatal(resp, err)
		}
		return bufio.NewReader(resp.Body), conn
	}
	next := func(b *bufio.Reader) (block string) {
		for !strings.HasSuffix(block, "\n\n") {
			line, err := b.ReadString('\n')
			if err != nil {
				t.Fatalf("%q, %v", block, err)
			}
			block += line
		}
		return block
	}

	b, conn := ask("")
	hello := next(b)
	if !strings.Contains(hello, "event: mirage\n") {
		t.Errorf("first block: %q", hello)
	}

	if _, err := s.m.Send(t.Context(), "old", store.Text("one")); err != nil {
		t.Fatal(err)
	}
	one := next(b)
	conn.Close()
	if _, err := s.m.Send(t.Context(), "old", store.Text("two")); err != nil {
		t.Fatal(err)
	}

	pos := strings.TrimSpace(one[strings.LastIndex(one, "id: ")+len("id: "):])
	for _, wait := range []string{"", "&_wait=25"} {
		b, _ = ask("&_pos=" + pos + wait)
		if hello, two := next(b), next(b); !strings.Contains(hello, `"resumed":true`) ||
			!strings.HasPrefix(two, "data: two\nid: ") {
			t.Errorf("%s: %q %q", wait, hello, two)
		}
	}
}

// L1: an HTTP/2 stream on which nothing is written for longer than the write deadline
// survives, and so does its neighbour on the connection.
func TestL1IdleHTTP2(t *testing.T) {
	o := setup{
		session: session.Options{Heartbeat: time.Hour, LinkAge: 10 * time.Hour},
		server:  versions["HTTP/2"].server,
	}
	inWorld(t, o, func(w *world) {
		b := w.browser()
		versions["HTTP/2"].client(b)
		one, two := b.tab(), b.tab()
		l := one.open()
		two.open()
		for range 3 {
			time.Sleep(time.Minute) // the deadline is 10 s, 15 s at most
			w.send(one.hello.ID, "a")
			synctest.Wait()
			one.post()
			two.post()
			select {
			case <-l.done:
				t.Fatal("cut: ", l.err)
			default:
			}
		}
		one.has("a", "a", "a")
		two.has("a", "a", "a")
	})
}

// L1: http.Server.Shutdown alone ends what is under way and does not hang; the clients
// are told to come back.
func TestL1ShutdownAloneByVersion(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			inWorld(t, setup{server: version.server}, func(w *world) {
				b := w.browser()
				version.client(b)
				tab, polling := b.tab(), b.tab()
				l := tab.open()
				polling.poll("25")

				held := make(chan answer, 1)
				go func() { held <- polling.poll("25") }()
				synctest.Wait()

				start := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				if err := w.server.Shutdown(ctx); err != nil || time.Since(start) > 3*time.Second {
					t.Errorf("Shutdown: %v after %v", err, time.Since(start))
				}

				<-l.done
				if a := <-held; a.status != 200 {
					t.Errorf("the poll: %d", a.status)
				}
				if len(tab.told) != 1 || tab.told[0] != "mirage-drain" {
					t.Errorf("told %v", tab.told)
				}
			})
		})
	}
}
