//go:build linux

package hostile_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/session"
)

// newServer returns a server for the open internet. It sets neither WriteTimeout nor
// ReadTimeout: streams set their own deadlines.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second, // headers only; bodies have Options.BodyTimeout
		IdleTimeout:       2 * time.Minute, // between two requests on a connection
		MaxHeaderBytes:    16 << 10,        // Mirage needs 2 KiB; net/http allows 1 MiB
		ConnContext:       dropDeadPeers,
		HTTP2: &http.HTTP2Config{ // pings find clients that vanished
			SendPingTimeout:  15 * time.Second,
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: 10 * time.Second,
		},
	}
}

// dropDeadPeers makes Linux end a connection whose peer has acknowledged nothing for 20
// seconds. The listener cannot set the option, because Go listens with Multipath TCP.
func dropDeadPeers(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		if raw, err := t.SyscallConn(); err == nil {
			const option = 18 // TCP_USER_TIMEOUT of golang.org/x/sys/unix
			const ms = 20_000
			_ = raw.Control(func(fd uintptr) {
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, option, ms)
			})
		}
	}
	return ctx
}

// limit bounds the requests of one address, before anything else is done. This code
// expects one proxy on this machine in front. Without a proxy use
// chimw.ClientIPFromRemoteAddr. Behind a CDN use chimw.ClientIPFromXFF with its networks.
func limit(r chi.Router, requests int, within time.Duration) {
	r.Use(chimw.ClientIPFromXFF("127.0.0.1/32", "::1/128"))
	r.Use(httprate.LimitBy(requests, within, func(r *http.Request) (string, error) {
		return httprate.CanonicalizeIP(chimw.GetClientIP(r.Context())), nil
	}))
}

// withoutQuery is a log formatter that hides queries, which may hold signed ids.
type withoutQuery struct{ chimw.LogFormatter }

func (f withoutQuery) NewLogEntry(r *http.Request) chimw.LogEntry {
	shown := r.Clone(r.Context())
	shown.RequestURI = r.URL.Path
	return f.LogFormatter.NewLogEntry(shown)
}

// logged returns chi's Logger without queries.
func logged(to *log.Logger) func(http.Handler) http.Handler {
	formatter := &chimw.DefaultLogFormatter{Logger: to, NoColor: true}
	return chimw.RequestLogger(withoutQuery{formatter})
}

// hideQuery hides queries from any logger of whole URLs, such as httplog:
// hideQuery(httplog.RequestLogger(logger, nil)).
func hideQuery(logger func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	type key struct{}
	return func(next http.Handler) http.Handler {
		logged := logger(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := r.Context().Value(key{}).(*http.Request)
			back := *r
			back.URL, back.RequestURI = whole.URL, whole.RequestURI
			next.ServeHTTP(w, &back)
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shown := r.Clone(context.WithValue(r.Context(), key{}, r))
			shown.URL.RawQuery, shown.RequestURI = "", r.URL.Path
			logged.ServeHTTP(w, shown)
		})
	}
}

// logLink is for Options.OnClose. An access log sees only the beginning of a link.
func logLink(c session.Closed) {
	slog.Info("link closed", "session", mirage.LogID(c.ID), "reader", c.Reader, "transport", c.Transport,
		"remote", c.RemoteAddr, "bytes", c.Bytes, "duration", c.Duration, "end", c.End)
}

// shutDown ends everything in order. It tells clients when to come back, spread over up
// to ten seconds, and waits for callbacks.
func shutDown(manager *session.Manager, server *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return errors.Join(manager.Shutdown(ctx), server.Shutdown(ctx)) // in this order
}

// counted is an Observer that counts events by kind and reason, for /debug/vars.
type counted struct{ *expvar.Map }

// Observe is called for each message, too, so it must be quick.
func (c counted) Observe(e mirage.Event) {
	c.Add(strings.TrimSuffix(e.Kind.String()+" "+e.Reason, " "), 1)
}

// withProbes serves the probes beside the site.
func withProbes(live *mirage.Live, site http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", live.Healthy()) // 200 while the process answers
	mux.Handle("GET /readyz", live.Ready())    // 503 from SetReady(false) or Shutdown on
	mux.Handle("/", live.Identify(site))
	return mux
}

// codec returns a Codec that signs with the first key and verifies with all of them.
func codec(keys ...string) (*cookie.Codec, error) {
	var raw [][]byte
	for _, key := range keys {
		b, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return nil, errors.New("a key is not base64") // the error never shows the key
		}
		raw = append(raw, b)
	}
	return cookie.New(cookie.Options{}, raw...)
}

// listen returns the socket that systemd has passed on, or a new one.
func listen(addr string) (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", addr)
	}
	socket := os.NewFile(3, "socket") // the first one of $LISTEN_FDS
	defer socket.Close()              // the listener has a copy
	return net.FileListener(socket)
}

// A process that inherits the variables from the one that systemd has started listens
// itself. e2e.TestS5RestartPage has the other case.
func TestRecipeListen(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getppid()))
	t.Setenv("LISTEN_FDS", "1")
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if port := l.Addr().(*net.TCPAddr).Port; port == 0 {
		t.Error("no port")
	}
}

// Every Go block of docs/operations.md is in this file, character for character.
func TestRecipesAreTheDocument(t *testing.T) {
	doc, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("recipes_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(blocks) < 6 {
		t.Errorf("%d blocks of Go", len(blocks))
	}
	for _, b := range blocks {
		if !bytes.Contains(source, b[1]) {
			t.Errorf("not in recipes_test.go: %.100q…", b[1])
		}
	}
}

// O1, O6: the counting Observer counts a visit, and the probes give nobody an id.
func TestO6Recipes(t *testing.T) {
	counts := counted{new(expvar.Map).Init()}
	live := mirage.New(mirage.Options{Insecure: true, Observer: counts, Logger: slog.New(slog.DiscardHandler)})
	site := withProbes(live, live)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		site.ServeHTTP(w, r)
		return w
	}
	for path, cookie := range map[string]bool{"/healthz": false, "/readyz": false, "/live?_wait=0": true} {
		if w := get(path); w.Code != 200 || (w.Header().Get("Set-Cookie") != "") != cookie {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
	if got := counts.Get("link-began new"); got == nil || got.String() != "1" {
		t.Errorf("counts: %s", counts)
	}
	if err := live.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := get("/readyz"); w.Code != 503 {
		t.Errorf("after Shutdown: %d", w.Code)
	}
}

// The recommended server itself refuses heads that are too long, and serves everybody,
// also over TLS and HTTP/2.
func TestL3RecommendedServer(t *testing.T) {
	s := newSite(t, setup{server: func(server *http.Server) {
		r := newServer(server.Handler)
		server.ReadHeaderTimeout, server.IdleTimeout = r.ReadHeaderTimeout, r.IdleTimeout
		server.MaxHeaderBytes = r.MaxHeaderBytes
		server.ConnContext, server.HTTP2 = r.ConnContext, r.HTTP2
	}})

	vera := s.visitor("vera", client.SSE)
	headers := strings.Split(strings.Repeat("X: y,", 10_000), ",")
	cookies := withCookie(vera.sig) + strings.Repeat("; __Host-mirage=bad", 3000)
	for name, send := range map[string]string{
		"a URL of 100 KB":  request("GET", "/live?x="+strings.Repeat(payload, 100<<10/len(payload)), "", accept),
		"3 001 cookies":    request("GET", "/live", "", accept, cookies),
		"a header of 1 MB": request("GET", "/live", "", accept, "X: "+strings.Repeat("x", 1<<20)),
		"10 000 headers":   request("GET", "/live", "", append(headers, accept)[1:]...),
	} {
		if a, err := s.exchange(send); err != nil || a.status != 431 {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		vera.fine(name)
	}

	over := httptest.NewUnstartedServer(nil)
	over.Config = newServer(s.server.Handler)
	over.EnableHTTP2 = true
	over.StartTLS()
	defer over.Close()
	res, err := over.Client().Get(over.URL + "/live?_wait=0")
	if err != nil || res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	res.Body.Close()
}

// L4: the option is set on every connection, also behind TLS.
func TestL4DropDeadPeers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	dropDeadPeers(t.Context(), tls.Server(in, &tls.Config{}))
	raw, err := in.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if ms, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 18); ms != 20_000 || err != nil {
			t.Errorf("%d ms, %v", ms, err)
		}
	})
}

// The limit counts addresses, and trusts only the proxy.
func TestRecipeLimit(t *testing.T) {
	r := chi.NewRouter()
	limit(r, 3, time.Hour)
	r.Get("/", func(http.ResponseWriter, *http.Request) {})
	ask := func(remote, forwarded string) int {
		q := httptest.NewRequest("GET", "/", nil)
		q.RemoteAddr = remote
		q.Header.Set("X-Forwarded-For", forwarded)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		return w.Code
	}
	for i := range 5 {
		want := 200
		if i >= 3 {
			want = 429
		}
		if got := ask("127.0.0.1:1", "192.0.2.1"); got != want {
			t.Errorf("request %d through the proxy: %d", i, got)
		}
		if got := ask("198.51.100.1:1", fmt.Sprint("192.0.2.", 2+i)); got != want {
			t.Errorf("request %d of somebody who claims to be a proxy: %d", i, got)
		}
	}
}

// The log shows the path and not the query.
func TestRecipeLog(t *testing.T) {
	var out bytes.Buffer
	h := logged(log.New(&out, "", 0))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Query().Get("_mirage"))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/live?_mirage=secret", nil))
	if w.Body.String() != "secret" ||
		!strings.Contains(out.String(), "/live") || strings.Contains(out.String(), "secret") {
		t.Errorf("served %q, logged %q", w.Body, out.String())
	}
}

// A logger of whole URLs sees no query. The handler sees the whole query.
func TestRecipeHideQuery(t *testing.T) {
	var out bytes.Buffer
	logger := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer fmt.Fprintln(&out, r.URL, r.RequestURI, r.Form)
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, nil)))
		})
	}
	h := hideQuery(logger)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.FormValue("_mirage"), r.RequestURI, r.Context().Value(http.ServerContextKey))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/live?_mirage=secret", nil))
	if w.Body.String() != "secret/live?_mirage=secret<nil>" || out.String() != "/live /live map[]\n" {
		t.Errorf("served %q, logged %q", w.Body, out.String())
	}
}

// The end of a stream is logged with its totals, and with nothing that would admit
// anybody.
func TestRecipeLogLink(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	var out bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, nil)))
	logLink(session.Closed{
		ID: "vera", Reader: "r", Transport: "sse", RemoteAddr: "192.0.2.1:5",
		Bytes: 700, Duration: time.Minute, End: session.EndAged,
	})
	for _, want := range []string{"session=" + mirage.LogID("vera"), "bytes=700", "duration=1m0s", "end=aged"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "vera") {
		t.Errorf("the id is in %s", out.String())
	}
}

// Three deployments replace a key, and every visitor keeps the id.
func TestRecipeKeys(t *testing.T) {
	a, b := base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))
	var values []string
	for _, keys := range [][]string{{a}, {a, b}, {b, a}} {
		c, err := codec(keys...)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := c.Sign(cookie.ID, "vera")
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range append(values, signed) {
			if id, _, err := c.Verify(cookie.ID, value); err != nil || id != "vera" {
				t.Errorf("%d keys: %q %v", len(keys), id, err)
			}
		}
		values = append(values, signed)
	}
	if _, err := codec("no base64!"); err == nil || strings.Contains(err.Error(), "no base64") {
		t.Errorf("error %v", err)
	}
}

// L1: this is how to shut a server down.
func TestRecipeShutDown(t *testing.T) {
	s := newSite(t, setup{})
	vera := s.visitor("vera", client.SSE)
	if err := shutDown(s.m, s.server, patience); err != nil {
		t.Error(err)
	}
	eventually(t, "the link has ended", func() bool { return vera.c.State().Phase != client.PhaseOpen })
}
