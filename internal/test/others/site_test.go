package others_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	ws "github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, // fasthttp's sleepers, which it does not wait for
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

const patience = 10 * time.Second

type wrapper = func(http.Handler) http.Handler

// site is a Mirage whose routes are served by other software: live at /live, the script
// at /live/mirage.js.
type site struct {
	*testing.T
	m   *session.Manager
	mux http.Handler
	url string
	log sink // of net/http
}

// newSite makes the routes. The application greets each reader, and echoes each message.
func newSite(t *testing.T, o middleware.Options) *site {
	s := &site{T: t}
	s.m = session.New(session.Options{
		Logger: slog.New(slog.DiscardHandler),
		OnAttach: func(ctx context.Context, to *session.Session, r session.ReaderInfo) {
			_, _ = to.Send(ctx, store.Text("greeting"))
		},
		OnMessage: func(ctx context.Context, to *session.Session, in session.Incoming) error {
			_, err := to.Send(ctx, store.Message{Data: bytes.Clone(in.Data)})
			return err
		},
	})
	codec, err := cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte{7}, 32))
	s.must(err)
	o.Codec, o.Sessions = codec, s.m
	mux := http.NewServeMux()
	mux.Handle("/live", middleware.New(o).Guard(transport.Handler(s.m, transport.Options{})))
	mux.Handle("/live/mirage.js", transport.Script())
	s.mux = mux
	t.Cleanup(s.shutdown)
	return s
}

// serve serves h, which contains s.mux, with net/http.
func (s *site) serve(h http.Handler) *site {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(&s.log, nil), slog.LevelInfo)
	srv.Start()
	s.url = srv.URL
	s.Cleanup(func() {
		s.shutdown()
		srv.CloseClientConnections()
		srv.Close()
		if said := s.log.String(); said != "" {
			s.Errorf("net/http complains: %s", said)
		}
	})
	return s
}

func (s *site) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.m.Shutdown(ctx); err != nil {
		s.Errorf("Manager.Shutdown: %v", err)
	}
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// visitor is a browser with cookies that accepts gzip.
type visitor struct {
	*site
	*http.Client
	ctx context.Context
}

func (s *site) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	t := &http.Transport{}
	s.Cleanup(func() { cancel(); t.CloseIdleConnections() })
	return &visitor{s, &http.Client{Jar: jar, Transport: t}, ctx}
}

func (v *visitor) do(method, path, body string, header ...string) *http.Response {
	v.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(v.ctx, method, v.url+path, content)
	v.must(err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.Do(r)
	v.must(err)
	v.Cleanup(func() { resp.Body.Close() })
	return resp
}

// status returns the status and the body of a response.
func (v *visitor) status(method, path, body string, header ...string) (int, string) {
	v.Helper()
	resp := v.do(method, path, body, header...)
	text, err := io.ReadAll(resp.Body)
	v.must(err)
	return resp.StatusCode, string(text)
}

var (
	sse       = []string{"Accept", "text/event-stream"}
	handshake = []string{
		"Connection", "Upgrade",
		"Upgrade", "websocket",
		"Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
	}
)

const (
	cid  = "?_cid=aaaaaaaaaaaaaaaaaaaaaa"
	poll = "?_wait=25&_cid=bbbbbbbbbbbbbbbbbbbbbb"
)

// streams opens a stream and exchanges a message with the application.
func (v *visitor) streams() {
	v.Helper()
	resp := v.do("GET", "/live", "", sse...)
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		v.Fatalf("a stream: %s %s", resp.Status, text)
	}
	r := bufio.NewReader(resp.Body)
	v.said(r, "data: greeting\n")
	v.posts()
	v.said(r, "data: up\n")
	resp.Body.Close()
}

func (v *visitor) said(r *bufio.Reader, want string) {
	v.Helper()
	for line := ""; line != want; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			v.Fatalf("no %q: %v", want, err)
		}
	}
}

func (v *visitor) posts() {
	v.Helper()
	if status, text := v.status("POST", "/live", "up", "Content-Type", "text/plain"); status != 200 {
		v.Errorf("a POST: %d %s", status, text)
	}
}

// polls polls for hello and what follows it.
func (v *visitor) polls() {
	v.Helper()
	status, text := v.status("GET", "/live"+poll, "", sse...)
	if status != 200 || !strings.Contains(text, "event: mirage\n") {
		v.Errorf("a poll: %d %s", status, text)
	}
	v.posts()
}

// speaks exchanges a message over a WebSocket.
func (v *visitor) speaks() {
	v.Helper()
	conn, resp, err := ws.Dial(v.ctx, v.url+"/live", &ws.DialOptions{
		HTTPClient: v.Client, HTTPHeader: http.Header{"Accept-Encoding": {"gzip"}}, // as Chromium's handshake has it
	})
	if err != nil {
		v.Errorf("a WebSocket: %v", err)
		return
	}
	defer conn.CloseNow()
	if resp.Header.Get("Sec-Websocket-Accept") == "" {
		v.Errorf("the head: %v", resp.Header)
	}
	v.must(conn.Write(v.ctx, ws.MessageText, []byte("up")))
	for text := ""; !strings.Contains(text, "data: up\n"); {
		_, b, err := conn.Read(v.ctx)
		if err != nil {
			v.Errorf("a WebSocket: no message: %v", err)
			return
		}
		text += string(b)
	}
	_ = conn.Close(ws.StatusNormalClosure, "")
}

// refused checks that a stream and a WebSocket are refused, with a readable reason.
func (v *visitor) refused() {
	v.Helper()
	for name, header := range map[string][]string{
		"a WebSocket": handshake, "a browser's WebSocket": append([]string{"Origin", v.url}, handshake...),
	} {
		status, text := v.status("GET", "/live"+cid, "", header...)
		if status != 501 || !strings.Contains(text, "WebSocket") {
			v.Errorf("%s: %d %q", name, status, text)
		}
	}
}

func (v *visitor) noStream() {
	v.Helper()
	for _, query := range []string{"", cid} {
		status, text := v.status("GET", "/live"+query, "", sse...)
		if status != 501 || !strings.Contains(text, "_wait") {
			v.Errorf("a stream: %d %q", status, text)
		}
	}
}

// sink keeps what is written to it.
type sink struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}
