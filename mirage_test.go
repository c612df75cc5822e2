package mirage_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"github.com/mirage-go/mirage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cid = "abcdefghijklmnopqrstuv" // 22 characters: the shortest _cid

// newLive is New for tests on plain http. The end of the test shuts the Live down.
func newLive(t *testing.T, o mirage.Options) *mirage.Live {
	t.Helper()
	o.Insecure = true
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	live := mirage.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := live.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return live
}

// A browser is a visitor with a cookie jar.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

// visit starts a server for h, and returns a visitor.
func visit(t *testing.T, h http.Handler) *browser {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return another(t, server.URL)
}

func another(t *testing.T, base string) *browser {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	b := &browser{t, base, &http.Client{Jar: jar, Timeout: 10 * time.Second}}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// ask sends a request and returns the answer with its body.
func (b *browser) ask(method, path, body string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if body != "" {
		r.Header.Set("Content-Type", "text/plain")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(text)
}

func (b *browser) get(path string, headers ...string) string {
	b.t.Helper()
	res, text := b.ask("GET", path, "", headers...)
	if res.StatusCode != http.StatusOK {
		b.t.Fatalf("GET %s: %s %s", path, res.Status, text)
	}
	return text
}

var helloID = regexp.MustCompile(`"id":"([^"]+)"`)

// poll begins a link of polls and returns the id that its hello names.
func (b *browser) poll(path string, headers ...string) string {
	b.t.Helper()
	m := helloID.FindStringSubmatch(b.get(path+"?_wait=0&_cid="+cid, headers...))
	if m == nil {
		b.t.Fatalf("GET %s: no hello", path)
	}
	return m[1]
}

// stream opens a stream. next reads on until a line that contains want.
func (b *browser) stream(path string, headers ...string) (next func(want string) string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	b.t.Cleanup(cancel)

	r, _ := http.NewRequestWithContext(ctx, "GET", b.base+path, nil)
	r.Header.Set("Accept", "text/event-stream")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}

	res, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { res.Body.Close() })

	lines := bufio.NewScanner(res.Body)
	return func(want string) string {
		b.t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return lines.Text()
			}
		}
		b.t.Fatalf("GET %s: %s, and no %q", path, res.Status, want)
		return ""
	}
}

// socket opens a WebSocket. more is appended to the query.
func (b *browser) socket(path, more string, headers ...string) *websocket.Conn {
	b.t.Helper()
	h := http.Header{}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	conn, _, err := websocket.Dial(b.t.Context(), b.base+path+"?"+more,
		&websocket.DialOptions{HTTPClient: b.http, HTTPHeader: h})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}

// whoami is a page that prints the id of its visitor.
func whoami(live *mirage.Live) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, live.ID(r)) })
}

// H1: a Live works wherever routers mount it, with Identify around everything or only
// around pages: one id, all transports, the script, with and without a trailing slash.
func TestH1Mounts(t *testing.T) {
	mounts := map[string]func(live *mirage.Live) (h http.Handler, base string){
		"chi": func(live *mirage.Live) (http.Handler, string) {
			r := chi.NewRouter()
			r.Use(live.Identify)
			r.Mount("/live", live)
			r.Handle("/*", whoami(live))
			return r, "/live"
		},
		"chi, nested": func(live *mirage.Live) (http.Handler, string) {
			r := chi.NewRouter()
			r.Route("/app/{tenant}", func(r chi.Router) {
				r.Route("/v1.0", func(r chi.Router) { r.Mount("/live", live) })
			})
			r.With(live.Identify).Handle("/*", whoami(live))
			return r, "/app/acme/v1.0/live"
		},
		"ServeMux": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/live/", live)
			mux.Handle("/", whoami(live))
			return live.Identify(mux), "/live/"
		},
		"ServeMux, Identify before pages": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/live/", live)
			mux.Handle("/", live.Identify(whoami(live)))
			return mux, "/live/"
		},
		"ServeMux, without a slash": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/live", live)
			mux.Handle("/live/", live)
			mux.Handle("/page", live.Identify(whoami(live)))
			return mux, "/live"
		},
		"StripPrefix": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/api/live/", http.StripPrefix("/api/live", live))
			mux.Handle("/", live.Identify(whoami(live)))
			return mux, "/api/live/"
		},
		"Guard twice": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/live/", live.Guard(live))
			mux.Handle("/", whoami(live))
			return live.Guard(mux), "/live/"
		},
		"at the root": func(live *mirage.Live) (http.Handler, string) {
			mux := http.NewServeMux()
			mux.Handle("/", live)
			mux.Handle("/page", live.Identify(whoami(live)))
			return mux, "/"
		},
	}

	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			made := 0
			live := newLive(t, mirage.Options{OnMessage: echo, Generate: func(*http.Request) (string, error) {
				made++
				return fmt.Sprint("visitor-", made), nil
			}})
			h, base := mount(live)

			b := visit(t, h)
			id := b.get("/page")
			if id != "visitor-1" {
				t.Fatalf("the page's id is %q", id)
			}
			next := b.stream(base)
			if got := next(`"id":`); !strings.Contains(got, id) {
				t.Errorf("a stream: %s, want the id %s", got, id)
			}
			if got := b.poll(base); got != id {
				t.Errorf("a poll: %q, want %q", got, id)
			}
			if res, text := b.ask("POST", base, "hello"); res.StatusCode != http.StatusOK {
				t.Errorf("POST: %s %s", res.Status, text)
			}
			next("data: hello")

			conn := b.socket(base, "")
			if _, text, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(text), id) {
				t.Errorf("a WebSocket: %s, %v", text, err)
			}
			conn.CloseNow()

			if res, _ := b.ask("OPTIONS", base, ""); res.StatusCode != http.StatusNoContent {
				t.Errorf("OPTIONS: %s", res.Status)
			}
			if made != 1 {
				t.Errorf("%d ids were made", made)
			}

			stranger := another(t, b.base)
			res, text := stranger.ask("GET", strings.TrimSuffix(base, "/")+"/mirage.js", "")
			if res.StatusCode != http.StatusOK || !strings.Contains(text, "EventTarget") {
				t.Errorf("the script: %s", res.Status)
			}
			if res.Header.Get("Set-Cookie") != "" || strings.Contains(res.Header.Get("Vary"), "Cookie") {
				t.Errorf("caches may keep the script, and it has %v", res.Header)
			}
			for file, want := range map[string]string{
				"mirage.dev.js": "static CONNECTING = 0", "mirage.js.map": `"mappings"`,
			} {
				res, text := stranger.ask("GET", strings.TrimSuffix(base, "/")+"/"+file, "", "Accept: */*")
				if res.StatusCode != http.StatusOK || !strings.Contains(text, want) ||
					res.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %s %v", file, res.Status, res.Header)
				}
			}
			for _, file := range []string{"mirage.min.js", "style.css.map"} {
				res, text := stranger.ask("GET", strings.TrimSuffix(base, "/")+"/"+file, "", "Accept: */*")
				if res.StatusCode != http.StatusNotFound || res.Header.Get("Set-Cookie") != "" ||
					!strings.Contains(text, "mirage.js, mirage.dev.js, mirage.js.map") {
					t.Errorf("%s: %s %s %v", file, res.Status, text, res.Header)
				}
			}
		})
	}
}

// H1: Live asks Validate only about links, whatever middleware wraps it, and Guard
// protects a page.
func TestH1Validate(t *testing.T) {
	asked := 0
	live := newLive(t, mirage.Options{Validate: func(r *http.Request, id string) (string, error) {
		asked++
		if r.Header.Get("X-Deny") != "" {
			return "", &mirage.Error{Status: http.StatusForbidden, Reason: "not you"}
		}
		return "", nil
	}})

	r := chi.NewRouter()
	r.Use(live.Identify)
	r.Mount("/live", live)
	r.Handle("/", whoami(live))
	r.With(live.Guard).Handle("/private", whoami(live))
	b := visit(t, r)
	id := b.get("/")

	for _, path := range []string{"/", "/live/mirage.js"} {
		if b.get(path, "X-Deny: yes"); asked != 0 {
			t.Fatalf("%s asked Validate", path)
		}
	}
	for i, path := range []string{"/live", "/private"} {
		res, text := b.ask("GET", path, "", "X-Deny: yes")
		if res.StatusCode != http.StatusForbidden || !strings.Contains(text, "not you") || asked != i+1 {
			t.Errorf("%s: %s %s, asked %d times", path, res.Status, text, asked)
		}
	}

	if got := b.get("/private"); got != id || asked != 3 {
		t.Errorf("let in: id %q, want %q; asked %d times", got, id, asked)
	}
}

// H1: requests of one page that arrive together without a cookie get one id.
func TestH1ConcurrentFirstRequests(t *testing.T) {
	live := newLive(t, mirage.Options{})
	r := chi.NewRouter()
	r.Use(live.Identify)
	r.Mount("/live", live)
	b := visit(t, r)

	ids := make(chan string, 16)
	var all sync.WaitGroup
	for range cap(ids) {
		all.Go(func() {
			res, err := http.Get(b.base + "/live?_wait=0&_cid=" + cid) // without a jar: all are first requests
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			if m := helloID.FindSubmatch(text); m != nil {
				ids <- string(m[1])
			}
		})
	}
	all.Wait()
	http.DefaultClient.CloseIdleConnections()
	close(ids)

	first := <-ids
	for id := range ids {
		if id != first {
			t.Errorf("ids %q and %q", first, id)
		}
	}
	if first == "" {
		t.Error("no id")
	}
}

// H1: log-in, log-out and Revoke with the methods of Live.
func TestH1LogIn(t *testing.T) {
	ended := make(chan string, 8)
	live := newLive(t, mirage.Options{OnEnd: func(_ context.Context, e mirage.Ended) { ended <- e.ID }})

	r := chi.NewRouter()
	r.Use(live.Identify)
	r.Mount("/live", live)
	r.Handle("/", whoami(live))
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		old := live.ID(r)
		id, err := live.Rotate(w, r)
		if err != nil || id == old || live.ID(r) != id {
			t.Errorf("Rotate: %q from %q, now %q, %v", id, old, live.ID(r), err)
		}
		fmt.Fprint(w, id)
	})
	r.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := live.Logout(w, r); err != nil {
			t.Error(err)
		}
	})

	b := visit(t, r)
	b.poll("/live")
	_, in := b.ask("POST", "/login", "")
	if got := b.get("/"); got != in {
		t.Errorf("logged in as %q, the page says %q", in, got)
	}
	if _, err := live.Send(t.Context(), in, mirage.Text("kept")); err != nil {
		t.Errorf("the session did not come along: %v", err)
	}

	b.ask("POST", "/logout", "")
	if got := <-ended; got != in {
		t.Errorf("%q ended, want %q", got, in)
	}

	next := b.get("/")
	if next == in || next == "" {
		t.Errorf("after the log-out the page says %q", next)
	}
	if err := live.Revoke(t.Context(), next); err != nil {
		t.Error(err)
	}
	if res, _ := b.ask("GET", "/live?_wait=0&_cid="+cid, ""); res.StatusCode != http.StatusGone {
		t.Errorf("a link after Revoke: %s", res.Status)
	}
}

// H1: two Lives on one host are separated by their names: cookies, signatures, sessions.
func TestH1TwoLives(t *testing.T) {
	keys := [][]byte{[]byte(strings.Repeat("k", 32))}
	shop := newLive(t, mirage.Options{Keys: keys, OnMessage: echo})
	admin := newLive(t, mirage.Options{Keys: keys, Name: "admin", OnMessage: echo})
	r := chi.NewRouter()
	r.Use(shop.Identify, admin.Identify)
	r.Mount("/live", shop)
	r.Mount("/admin/live", admin)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, shop.ID(r), " ", admin.ID(r)) })
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := admin.Rotate(w, r); err != nil {
			t.Error(err)
		}
	})

	b := visit(t, r)
	ids := strings.Fields(b.get("/"))
	if len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("ids %q", ids)
	}
	for i, path := range []string{"/live", "/admin/live"} {
		if got := b.poll(path); got != ids[i] {
			t.Errorf("%s: %q, want %q", path, got, ids[i])
		}
	}

	b.ask("POST", "/login", "")
	after := strings.Fields(b.get("/"))
	if after[0] != ids[0] || after[1] == ids[1] {
		t.Errorf("after a log-in at admin: %q, before %q", after, ids)
	}

	signed, err := shop.Codec().Sign("id", "root")
	if err != nil {
		t.Fatal(err)
	}
	if got := another(t, b.base).poll("/admin/live", "Cookie: admin="+signed); got == "root" {
		t.Error("a value of one Live is good in the other")
	}
}

// H1: a page of a listed origin works behind net/http's own protection, which must list
// the origin, too.
func TestH1CrossOriginProtection(t *testing.T) {
	const origin = "https://app.example.com"
	live := newLive(t, mirage.Options{Origins: []string{origin}, OnMessage: echo})
	for trusted, want := range map[bool]int{false: http.StatusForbidden, true: http.StatusOK} {
		protection := http.NewCrossOriginProtection()
		if trusted {
			if err := protection.AddTrustedOrigin(origin); err != nil {
				t.Fatal(err)
			}
		}
		mux := http.NewServeMux()
		mux.Handle("/live/", live)
		b := visit(t, protection.Handler(mux))
		foreign := []string{"Origin: " + origin, "Sec-Fetch-Site: cross-site"}
		b.get("/live/?_wait=0", foreign...)
		res, text := b.ask("POST", "/live/", "hello", foreign...)
		if res.StatusCode != want {
			t.Errorf("trusted %v: %s %s", trusted, res.Status, text)
		}
		if got := res.Header.Get("Access-Control-Allow-Origin"); trusted && got != origin {
			t.Errorf("Access-Control-Allow-Origin: %q", got)
		}
	}
}
