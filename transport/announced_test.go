package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/test/memnet"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// L2: a body that is announced and does not come costs hardly more than one for which a
// handler waits in Read: memory grows as bytes arrive.
func TestL2AnnouncedBodies(t *testing.T) {
	const n, most = 2000, 8 << 10 // most of it a stack that has doubled, and the race detector
	codec, err := cookie.New(cookie.Options{Insecure: true}, key)
	if err != nil {
		t.Fatal(err)
	}
	m := session.New(session.Options{})
	defer m.Shutdown(context.Background())
	who := middleware.New(middleware.Options{Codec: codec, Sessions: m})
	ours := who.Guard(transport.Handler(m, transport.Options{}))
	bare := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.Body.Read(make([]byte, 1)) })
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			var header http.Header // of a client with a link: the same for both
			announced(t, name == "HTTP/2", ours, 1, &header)
			least := announced(t, name == "HTTP/2", bare, n, &header)
			got := announced(t, name == "HTTP/2", ours, n, &header)
			t.Logf("%d bytes each, a bare handler's %d", got, least)
			if got > least+most {
				t.Errorf("a body that is announced costs %d bytes more than in a bare handler; at most %d",
					got-least, most)
			}
		})
	}
}

// announced is what each of n requests costs whose bodies do not come.
func announced(t *testing.T, h2 bool, h http.Handler, n int, header *http.Header) int {
	l := memnet.Listen()
	var under atomic.Int64
	srv := &http.Server{
		Protocols: new(http.Protocols),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			under.Add(1)
			h.ServeHTTP(w, r)
			under.Add(-1)
		}),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	go srv.Serve(l)
	defer srv.Close()
	if *header == nil {
		client := l.Client()
		*header = linkHeader(t, client, "http://"+l.Addr().String()+announcing)
		client.CloseIdleConnections()
	}

	before := inUse()
	if h2 {
		announceHTTP2(t, l, n, *header)
	} else {
		announceHTTP1(t, l, n, *header)
	}
	for end := time.Now().Add(time.Minute); under.Load() < int64(n); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprint(under.Load(), " requests are under way"))
		}
	}
	each := int(inUse()-before) / n
	if now := under.Load(); now != int64(n) {
		t.Fatalf("%d of %d requests have been answered", int64(n)-now, n)
	}

	// Its remains must not count in the next one.
	srv.Close()
	for end := time.Now().Add(time.Minute); under.Load() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(fmt.Sprint(under.Load(), " requests are left"))
		}
	}
	time.Sleep(100 * time.Millisecond)
	return each
}

// linkHeader begins a link, and returns the header of a POST on it.
func linkHeader(t *testing.T, client *http.Client, url string) http.Header {
	r, err := client.Get(url + "&_wait=0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var hello frame.Hello
	for e := range frame.NewParser(1 << 10).All(r.Body) {
		if e.Name == frame.EventHello {
			_ = json.Unmarshal(e.Data, &hello)
		}
	}
	if hello.Link == "" || len(r.Cookies()) != 1 {
		t.Fatalf("%s: hello %+v, cookies %v", r.Status, hello, r.Cookies())
	}
	return http.Header{
		"Content-Type": {"text/event-stream"},
		"Mirage-Link":  {hello.Link},
		"Cookie":       {r.Cookies()[0].Name + "=" + r.Cookies()[0].Value},
	}
}

const announcing = "/live?_cid=announced-0123456789abcdefgh"

// dialed is a connection whose answers nobody reads.
func dialed(t *testing.T, l *memnet.Listener) net.Conn {
	conn, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func announceHTTP1(t *testing.T, l *memnet.Listener, n int, header http.Header) {
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 60000\r\n", announcing, l.Addr())
	_ = header.Write(&head)
	head.WriteString("\r\n")
	for range n {
		if _, err := dialed(t, l).Write(head.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

func announceHTTP2(t *testing.T, l *memnet.Listener, n int, header http.Header) {
	const streams = 250 // of a connection, as net/http has it
	for ; n > 0; n -= streams {
		conn := dialed(t, l)
		go io.Copy(io.Discard, conn)
		_, _ = io.WriteString(conn, http2.ClientPreface)
		framer := http2.NewFramer(conn, conn)
		_ = framer.WriteSettings()

		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for i := range min(n, streams) {
			block.Reset()
			field := func(name, value string) { _ = encoder.WriteField(hpack.HeaderField{Name: name, Value: value}) }
			field(":method", "POST")
			field(":scheme", "http")
			field(":authority", l.Addr().String())
			field(":path", announcing)
			field("content-length", "60000")
			for name, values := range header {
				field(strings.ToLower(name), values[0])
			}

			err := framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndHeaders: true,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc + s.StackInuse)
}
