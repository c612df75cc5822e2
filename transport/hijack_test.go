package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	chimw "github.com/go-chi/chi/v5/middleware"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/sse"
)

const get = "GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"

// greeted reads a response's head and its hello from a connection.
func greeted(t testing.TB, conn net.Conn) (head *http.Response, rest *bufio.Reader) {
	t.Helper()
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := ""; !strings.HasSuffix(line, "event: mirage\n"); { // a WebSocket frame's header is before it
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return resp, r
}

// P1: an idle stream costs one goroutine where it is hijacked, two where it is not.
func TestP1Goroutines(t *testing.T) {
	for name, want := range map[string]int{"hijacked": 1, "plain": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, setup{
					transport: transport.Options{SSE: sse.Options{KeepHandler: name == "plain"}},
					exactly:   true,
				})
				defer w.close()
				const n = 100
				before := runtime.NumGoroutine()
				for range n {
					conn, err := w.net.Dial(t.Context())
					w.must(err)
					defer conn.Close()
					fmt.Fprint(conn, get)
				}
				synctest.Wait()
				if got := float64(runtime.NumGoroutine()-before) / n; got > float64(want)+0.1 {
					t.Errorf("%.2f goroutines for an idle stream", got)
				}
			})
		})
	}
}

// P1: the memory of an idle hijacked stream, session, reader and link included, with its
// client's socket: it must not creep up. (The race detector adds a third.)
func TestP1Memory(t *testing.T) {
	srv, _ := serve(t, session.Options{}, sse.Options{}, false)
	const n = 300

	measure := func() int64 {
		runtime.GC()
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	open := func() {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, get)
		greeted(t, conn)
	}

	for range 50 { // what is there once, and pools
		open()
	}

	before := measure()
	for range n {
		open()
	}
	// The client's bufio.Reader of 4 KiB is garbage by now.
	if per := (measure() - before) / n; per > 8<<10 {
		t.Errorf("%d bytes for an idle stream", per)
	} else {
		t.Logf("%d bytes for an idle stream", per)
	}
}

// serve starts a real server with streams at /live.
func serve(t *testing.T, o session.Options, s sse.Options, secure bool) (*httptest.Server, *session.Manager) {
	codec, err := cookie.New(cookie.Options{Insecure: !secure}, key)
	if err != nil {
		t.Fatal(err)
	}
	m := session.New(o)
	who := middleware.New(middleware.Options{Codec: codec, Sessions: m})
	mux := http.NewServeMux()
	mux.Handle("/live", who.Guard(transport.Handler(m, transport.Options{SSE: s})))
	srv := httptest.NewUnstartedServer(mux)
	if secure {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
	})
	return srv, m
}

// L3: the head of a hijacked stream is net/http's own: the cookies and headers of every
// middleware are in it, and access logs see the status.
func TestL3HijackedHead(t *testing.T) {
	var logged bytes.Buffer
	sessions := &scs.SessionManager{ // not scs.New: its store has a goroutine for good
		Lifetime: time.Hour,
		Store:    memstore.NewWithCleanupInterval(0),
		Codec:    scs.GobCodec{},
		Cookie:   scs.SessionCookie{Name: "session", Path: "/"},
	}

	around := []func(http.Handler) http.Handler{
		chimw.RequestID,
		chimw.RequestLogger(&chimw.DefaultLogFormatter{Logger: log.New(&logged, "", 0), NoColor: true}),
		chimw.Recoverer, chimw.Compress(5), sessions.LoadAndSave,
		func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sessions.Put(r.Context(), "k", "v")
				w.Header().Set("X-Ours", "yes")
				next.ServeHTTP(w, r)
			})
		},
	}

	inWorld(t, setup{around: around, exactly: true}, func(w *world) {
		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		fmt.Fprint(conn, get)
		head, _ := greeted(t, conn)

		cookies := strings.Join(head.Header["Set-Cookie"], "\n")
		if !strings.Contains(cookies, "session=") || !strings.Contains(cookies, "mirage=") ||
			head.Header.Get("X-Ours") != "yes" || !head.Close {
			t.Errorf("head: %v", head)
		}

		synctest.Wait()
		if !strings.Contains(logged.String(), " - 200 ") {
			t.Errorf("access log: %s", &logged)
		}
	})
}

// L3: OnClose tells what a stream came to, on both ways out.
func TestL3OnClose(t *testing.T) {
	for _, plain := range []bool{false, true} {
		closed := make(chan session.Closed, 2)
		o := session.Options{OnClose: func(c session.Closed) { closed <- c }}
		srv, m := serve(t, o, sse.Options{KeepHandler: plain}, false)

		for _, leaves := range []bool{true, false} {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(conn, get)
			_, r := greeted(t, conn)
			hello, _ := r.ReadString('\n')

			want := session.EndOver
			if leaves {
				want = ""
				conn.Close()
			} else {
				id, _, _ := strings.Cut(strings.SplitAfter(hello, `"id":"`)[1], `"`)
				if err := m.End(t.Context(), id); err != nil {
					t.Error(err)
				}
			}

			c := <-closed
			if c.End != want || c.Bytes < 200 || c.Duration <= 0 ||
				c.RemoteAddr != conn.LocalAddr().String() || len(c.ID) != 16 || c.Reader == "" {
				t.Errorf("plain %v, leaves %v: %+v", plain, leaves, c)
			}
			conn.Close()
		}
	}
}

// L3: over TLS, with HTTP/1.1, a stream is hijacked all the same.
func TestL3HijackedTLS(t *testing.T) {
	srv, m := serve(t, session.Options{}, sse.Options{}, true)
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(),
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, get)
	head, r := greeted(t, conn)
	if !head.Close {
		t.Errorf("not hijacked: %v", head)
	}
	if _, err := m.Broadcast(t.Context(), store.Text("over TLS")); err != nil {
		t.Fatal(err)
	}
	for line := ""; line != "data: over TLS\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

// L3: bytes that a client sends after its request are not taken for a request: a few are
// ignored, more end the link.
func TestL3Pipelined(t *testing.T) {
	inWorld(t, setup{exactly: true}, func(w *world) {
		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		fmt.Fprint(conn, get+"POST /live HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx")
		_, r := greeted(t, conn)
		_, err = w.m.Broadcast(w.Context(), store.Text("still here"))
		w.must(err)
		for line := ""; line != "data: still here\n"; {
			line, err = r.ReadString('\n')
			w.must(err)
		}
		for range 1 << 10 {
			if _, err = conn.Write(bytes.Repeat([]byte("x"), 64)); err != nil {
				break
			}
			synctest.Wait()
		}
		if err == nil {
			t.Error("who talks on for ever is not cut off")
		}
	})
}

// L3: a callback that panics while a hijacked stream is written ends nothing but itself.
func TestL3HijackedPanic(t *testing.T) {
	o := session.Options{MaxMessages: 2, Overflow: store.OverflowDropOldest, Logger: slog.New(slog.DiscardHandler),
		OnGap: func(context.Context, *session.Session, session.ReaderInfo, store.Lost) { panic("no") }}
	inWorld(t, setup{session: o, exactly: true}, func(w *world) {
		tab := w.browser().tab()
		tab.open().close()
		w.send(tab.hello.ID, "a", "b", "c")
		tab.open()
		tab.has("b", "c")
		w.send(tab.hello.ID, "d")
		tab.has("b", "c", "d")
	})
}

// L2: a client that reads nothing loses its hijacked connection at the write deadline,
// and its log stays.
func TestL2HijackedSlowReader(t *testing.T) {
	o := session.Options{MaxBytes: 16 << 20, MaxMessages: 100_000}
	inWorld(t, setup{session: o, exactly: true}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")

		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		fmt.Fprintf(conn, "GET /live?_cid=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
			"Accept: text/event-stream\r\nCookie: %s\r\n\r\n",
			tab.cid, tab.b.client.Jar.Cookies(mustURL(w.url))[0])
		synctest.Wait()

		start := time.Now()
		for range 400 {
			w.send(tab.hello.ID, strings.Repeat("x", 1000))
		}
		if time.Since(start) != 0 {
			t.Errorf("sending took %v", time.Since(start))
		}

		time.Sleep(16 * time.Second)
		synctest.Wait()
		buf := make([]byte, 64<<10)
		for err = nil; err == nil; {
			_, err = conn.Read(buf)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the connection still stands")
		}

		tab.open()
		synctest.Wait()
		if len(tab.got) != 400 {
			t.Errorf("%d of 400 messages are there", len(tab.got))
		}
	})
}

// L1: http.Server.Close knows nothing of connections that were taken over: hijacked
// streams go on until Manager.Shutdown.
func TestL1ServerCloseLeavesHijacked(t *testing.T) {
	srv, m := serve(t, session.Options{}, sse.Options{}, false)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, get)
	_, r := greeted(t, conn)

	comes := func(text string) {
		t.Helper()
		if _, err := m.Broadcast(t.Context(), store.Text(text)); err != nil {
			t.Fatal(err)
		}
		for line := ""; line != "data: "+text+"\n"; {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}

	comes("taken over") // hello leaves before that
	if err := srv.Config.Close(); err != nil {
		t.Fatal(err)
	}
	comes("still here")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || !strings.Contains(string(rest), "retry: ") {
		t.Errorf("the end: %q %v", rest, err)
	}
}

// lent is a request context whose values are good until the handler has returned, as
// those of a middleware that takes them back.
type lent struct {
	context.Context
	back *atomic.Bool
	late *atomic.Int32
}

func (l lent) Value(key any) any {
	if l.back.Load() {
		l.late.Add(1)
	}
	return l.Context.Value(key)
}

// asking is a store that looks at the context that it is read with, as a remote one
// would.
type asking struct {
	store.Store
	over *atomic.Int32
}

func (s asking) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	return askingLog{log, s.over}, created, err
}

type askingLog struct {
	store.Log
	over *atomic.Int32
}

func (l askingLog) Read(
	ctx context.Context, ref store.LinkRef, after uint64, room int, dst []store.Entry,
) ([]store.Entry, store.Tail, error) {
	if _ = ctx.Value("a key"); ctx.Err() != nil {
		l.over.Add(1)
	}
	return l.Log.Read(ctx, ref, after, room, dst)
}

// L3: after the handler has returned, a hijacked stream does not use the request's
// context and its values: heartbeats, messages, gaps and the end need neither, and the
// contexts of callbacks are valid.
func TestL3HijackedContext(t *testing.T) {
	var back atomic.Bool
	var late, over atomic.Int32
	ends := make(chan error, 3)
	sees := func(ctx context.Context) {
		_ = ctx.Value("a key")
		ends <- ctx.Err()
	}

	o := session.Options{
		Store: asking{memory.New(memory.Options{}), &over}, MaxMessages: 2, Overflow: store.OverflowDropOldest,
		OnAttach: func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { _ = ctx.Value("a key") },
		OnGap:    func(ctx context.Context, _ *session.Session, _ session.ReaderInfo, _ store.Lost) { sees(ctx) },
		OnDetach: func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { sees(ctx) },
	}

	around := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(lent{r.Context(), &back, &late}))
			back.Store(true)
		})
	}

	inWorld(t, setup{session: o, around: []func(http.Handler) http.Handler{around}, exactly: true}, func(w *world) {
		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		fmt.Fprint(conn, get)
		_, r := greeted(t, conn)
		hello, _ := r.ReadString('\n')
		id, _, _ := strings.Cut(strings.SplitAfter(hello, `"id":"`)[1], `"`)
		synctest.Wait()
		if !back.Load() {
			t.Fatal("the handler has not returned")
		}

		time.Sleep(time.Minute) // heartbeats
		w.send(id, strings.Repeat("x", 60_000))
		w.send(id, strings.Repeat("x", 60_000)) // more than the network takes: the writer blocks
		w.send(id, "a", "b", "c", "d")          // so that some must leave before it comes back
		for line := ""; line != "data: d\n"; {
			line, err = r.ReadString('\n')
			w.must(err)
		}

		conn.Close()
		time.Sleep(time.Minute)
		for range 2 { // OnGap and OnDetach
			if err := <-ends; err != nil {
				t.Error("a callback's context is over:", err)
			}
		}
	})

	if late.Load() > 0 || over.Load() > 0 {
		t.Errorf("after the handler returned, the request's values were used %d times, "+
			"and the log read with a context that is over %d times", late.Load(), over.Load())
	}
}
