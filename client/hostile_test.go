package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/test/memnet"
)

// hello is the beginning of a stream.
const hello = "event: mirage\n" +
	`data: {"id":"a","previous":"","mirage":"","reader":"r","link":"t","resumed":false,"reason":"new",` +
	`"lost":null,"sent":0,"accepted":0,"heartbeat":15000}` + "\nid: e-0\n\n"

type dialer func(client.Options) (*client.Client, error)

// againstServer runs f with a server that is not Mirage's.
func againstServer(t *testing.T, h http.HandlerFunc, f func(t *testing.T, dial dialer)) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		server := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		go server.Serve(l)
		httpClient := l.Client()
		var all []*client.Client
		f(t, func(o client.Options) (*client.Client, error) {
			o.HTTPClient, o.Logger = httpClient, slog.New(slog.DiscardHandler)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := client.Dial(ctx, "http://"+l.Addr().String()+"/live", o)
			if err == nil {
				all = append(all, c)
			}
			return c, err
		})
		for _, c := range all {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = c.Close(ctx)
			cancel()
		}
		httpClient.CloseIdleConnections()
		server.Close()
		time.Sleep(time.Minute)
	})
}

func stream(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
	}
}

func problem(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"detail":"the detail"}`, status)
	}
}

// An endless answer goes on until the client has had enough, or for longest bytes.
type endless struct {
	first   string
	next    func(i int) string
	longest int
	most    atomic.Int64 // bytes of the longest answer
}

func (e *endless) answer(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		io.WriteString(w, strings.Repeat(" ", 1<<20))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, e.first)
	total := 0
	for i := 0; total < e.longest && r.Context().Err() == nil; i++ {
		n, err := io.WriteString(w, e.next(i))
		if total += n; err != nil {
			break
		}
	}
	e.most.Store(max(e.most.Load(), int64(total)))
}

// C1: the end of a session counts, even if the answer that tells it ends at once. The
// client does not come back.
func TestC1EndBeforeEOF(t *testing.T) {
	var links atomic.Int32
	h := func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.WriteString(w, `{"accepted":0}`)
			return
		}
		links.Add(1)
		stream(hello)(w, r)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(2 * time.Second)
		io.WriteString(w, `event: mirage-end`+"\n"+`data: {"status":410,"reason":"the id was revoked"}`+"\n\n")
	}
	againstServer(t, h, func(t *testing.T, dial dialer) {
		const n = 100
		var all []*client.Client
		for range n {
			c, err := dial(client.Options{Transports: []string{client.SSE}})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
		}
		time.Sleep(2 * time.Minute)
		for _, c := range all {
			var e *client.Error
			if state := c.State(); state.Phase != client.PhaseClosed || !errors.As(state.Err, &e) || e.Status != 410 {
				t.Errorf("the state is %+v", state)
			}
		}
		if got := links.Load(); got != n {
			t.Errorf("%d clients have opened %d links", n, got)
		}
	})
}

// C1: Retry-After may be a date. It counts from the server's clock, which may be wrong.
func TestC1RetryAfterDate(t *testing.T) {
	for name, date := range map[string]time.Time{
		"right": time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), // when bubbles begin
		"slow":  time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		"fast":  time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			var asked []time.Time
			againstServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, time.Now())
				w.Header().Set("Date", date.Format(http.TimeFormat))
				problem(503, "Retry-After", date.Add(30*time.Second).Format(http.TimeFormat))(w, r)
			}, func(t *testing.T, dial dialer) { _, _ = dial(client.Options{Transports: []string{client.SSE}}) })
			if len(asked) < 2 {
				t.Fatalf("asked %d times", len(asked))
			}
			if waited := asked[1].Sub(asked[0]); waited < 30*time.Second || waited > 60*time.Second {
				t.Errorf("asked again after %v, want 30s or a little more", waited)
			}
		})
	}
}

// C1: a server that refuses ends Dial with its status. One that makes no sense, or a
// gateway in front of it, does not end the client, which tries again until ctx ends.
func TestC1Hostile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		status int // with which Dial ends at once; 0 if it does not
	}{
		{"refused", problem(403), 403},
		{"revoked", problem(410), 410},
		{"no such method", problem(405), 405},
		{"too many", problem(429, "Retry-After", "3"), 0},
		{"broken", problem(500), 0},
		{"unknown session", problem(401), 0},
		{"a gateway refuses", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		}, 0},
		{"a gateway finds nothing", http.NotFound, 0},
		{"a log-in form", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<form>") }, 0},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 0},
		{"redirects in a circle", http.RedirectHandler("/live", http.StatusFound).ServeHTTP, 0},
		{"redirects to another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://evil.example/live", http.StatusTemporaryRedirect)
		}, 0},
		{"nothing", stream(""), 0},
		{"no hello", stream("data: x\nid: e-1\n\n"), 0},
		{"a hello that is cut", stream(strings.TrimSuffix(hello, "\n")), 0},
		{"hello is no JSON", stream("event: mirage\ndata: {\nid: e-0\n\n"), 0},
		{"hello without a position", stream("event: mirage\ndata: {}\n\n"), 0},
		{"garbage", stream("\x00\xff\r\r\r\nid\nid:\ndata\n\n"), 0},
	} {
		for _, transport := range append(transports, "") {
			t.Run(tt.name+" "+transport, func(t *testing.T) {
				againstServer(t, tt.answer, func(t *testing.T, dial dialer) {
					var o client.Options
					if transport != "" {
						o.Transports = []string{transport}
					}
					_, err := dial(o)
					var e *client.Error
					switch isTimeout := errors.Is(err, context.DeadlineExceeded); {
					case err == nil:
						t.Error("Dial has a client")
					case tt.status == 0 && !isTimeout:
						t.Errorf("Dial ends with %v", err)
					case tt.status != 0 && (!errors.As(err, &e) || e.Status != tt.status):
						t.Errorf("Dial ends with %v, want the status %d", err, tt.status)
					}
				})
			})
		}
	}
}

// C1: what a server can make the client keep is bounded, and the client goes on.
func TestC1Endless(t *testing.T) {
	always := func(text string) func(int) string {
		text = strings.Repeat(text, 4096/len(text)+1)
		return func(int) string { return text }
	}
	numbered := func(format string) func(int) string {
		return func(i int) string { return strings.ReplaceAll(format, "#", fmt.Sprint(i+1)) }
	}
	for _, tt := range []struct {
		name, first string
		next        func(int) string
		ends        bool // the client ends the link
	}{
		{"a line before hello", "", always("x"), true},
		{"a line", hello, always("x"), true},
		{"data", hello, always("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"), true},
		{"a large message", hello, always(strings.Repeat("data: x\n", 16<<10) + "\n"), true},
		{"an unknown encoding", hello, always("encoding: x\ndata: x\nid: e-1\n\n"), true},
		{"another session", hello, always("data: x\nid: f-1\n\n"), true},
		{"a topic without a name", hello, always("topic: a b\ndata: x\nid: _aaaaabbbbb-1\n\n"), true},
		{"the same message", hello, always("data: x\nid: e-1\n\n"), false},
		{"messages", hello, numbered("data: x\nid: e-#\n\n"), false},
		{"moves", hello, numbered("id: e-#\n\n"), false},
		{"gaps", hello, numbered("event: mirage-gap\ndata: {\"from\":#,\"to\":#}\nid: e-#\n\n"), false},
		{"hellos that lost messages", "", numbered(strings.NewReplacer(
			`"lost":null`, `"lost":{"from":1,"to":#}`, "e-0", "e#-0").Replace(hello)), false},
		{"topics", hello, numbered("topic: t#\ndata: x\nid: _aaaaabbbbb-#\n\n"), false},
		{"growing messages", hello, numbered("topic: t\nevent: e\nkey: k#\ngrow: 0\ndata: x\n\n"), false},
		{"one that grows", hello, numbered("topic: t\nevent: e\nkey: k\ngrow: #\ndata: x\n\n"), false},
		{"members", hello, numbered("event: mirage-members\n" +
			`data: {"topic":"t","count":1,"joined":[{"key":"k#","info":1}],"left":[]}` + "\n\n"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &endless{first: tt.first, next: tt.next, longest: 256 << 10}
			if tt.ends {
				e.longest = 4 << 20
			}
			againstServer(t, e.answer, func(t *testing.T, dial dialer) {
				c, err := dial(client.Options{Transports: []string{client.SSE}, MaxMessage: 10 << 10})
				if err == nil {
					time.Sleep(5 * time.Second)
					if phase := c.State().Phase; phase == client.PhaseClosed {
						t.Errorf("the state is %+v", c.State())
					}
					n := 0
					ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
					for range c.Messages(ctx) {
						n++
					}
					cancel()
					if n > 4000 {
						t.Errorf("the client has kept %d messages", n)
					}
				}
				if most := e.most.Load(); tt.ends && most > 1<<20 {
					t.Errorf("the client has read %d bytes", most)
				}
			})
		})
	}
}

// C1: URLs and options that make no sense are an error.
func TestC1BadInput(t *testing.T) {
	for _, tt := range []struct {
		url string
		o   client.Options
	}{
		{"", client.Options{}},
		{"/live", client.Options{}},
		{"ftp://example.com/live", client.Options{}},
		{"http:///live", client.Options{}},
		{"http://example.com/live", client.Options{Transports: []string{"carrier pigeon"}}},
		{"http://example.com/live", client.Options{Transports: []string{client.SSE, client.SSE}}},
		{"http://example.com/live", client.Options{MaxQueue: -1}},
		{"http://example.com/live", client.Options{MaxDelay: -1}},
	} {
		if _, err := client.Dial(t.Context(), tt.url, tt.o); err == nil {
			t.Errorf("%q, %+v: no error", tt.url, tt.o)
		}
	}
}
