package e2e

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

//go:embed plainhttp
var plainFiles embed.FS

// I9 over plain http, where browsers send no Sec-Fetch-Site. In Chromium and Firefox,
// without automation, pages of another port and of a sibling subdomain try all that a
// page can do to begin a link in the visitor's session, and fail. Our own pages succeed.
// With -v the test prints the requests from which the table in docs/decisions.md is made.
func TestI9PlainHTTP(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, page string){
		"Chromium": startChromiumAlone,
		"Firefox": func(t *testing.T, page string) {
			startFirefox(t, `
user_pref("browser.pagethumbnails.capturing_disabled", true);
user_pref("browser.send_pings", true);
user_pref("dom.disable_open_during_load", false);
user_pref("dom.security.https_first", false);
user_pref("network.dns.localDomains", "app.mirage.test,evil.mirage.test");
`, page)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startPlainSite(t)
			start(t, s.address(0))
			select {
			case <-s.done:
			case <-time.After(150 * time.Second):
				t.Error("the browser did not come to the end")
			}

			s.mu.Lock()
			defer s.mu.Unlock()
			for _, a := range s.arrivals {
				s.check(a)
			}
			if s.strange > 0 {
				t.Errorf("foreign pages began %d links in the visitor's session", s.strange)
			}
		})
	}
}

// A plainPage is one of the pages that a browser visits one after the other.
type plainPage struct {
	name   string // the prefix of the names of its cases
	host   string // and the letter of its server
	policy string
	needs  []string // cases that must come, with the cookie, or the test proves nothing
}

func (p plainPage) isOurs() bool { return strings.HasPrefix(p.name, "home") }

var plainPages = []plainPage{
	{"home", "app.mirage.test:a", "", append(scripts("", "fetch "), "POST", "WebSocket", "img ", "script ")},
	{"home, no-referrer", "app.mirage.test:a", "no-referrer", scripts("", "fetch ")},
	{"port", "app.mirage.test:b", "", foreignNeeds()},
	{"sibling", "evil.mirage.test:b", "", foreignNeeds()},
}

// scripts returns the cases that scripts make in one way, with some policies.
func scripts(way, what string) []string {
	const policies = ",no-referrer,origin,same-origin,strict-origin-when-cross-origin,unsafe-url"
	names := []string{way + "EventSource"}
	for policy := range strings.SplitSeq(policies, ",") {
		names = append(names, way+what+policy)
	}
	return names
}

func foreignNeeds() (names []string) {
	const (
		ways = "|worker: |worker no-referrer: |shared worker: |blob worker: |srcdoc: |about:blank: |blob document: "
		more = "no-cors, referrer ours|no-cors, no referrer|no-cors, about:client|no-cors, forged headers|" +
			"no-cors, forged headers of a Request|no-cors POST |redirected 302 no-cors|" +
			"redirected 302 no-cors, forged headers|redirected 303 POST|redirected 307 no-cors unsafe-url|cors"
		elements = "img |img no-referrer|script |stylesheet |prefetch no-referrer|preload image |preload fetch |" +
			"iframe |link |link noreferrer|object|embed|css import|css background|form GET|form POST|" +
			"meta refresh|meta refresh no-referrer|window.open|window.open noreferrer|beacon|WebSocket"
	)
	for way := range strings.SplitSeq(ways, "|") {
		names = append(names, scripts(way, "no-cors ")...)
		for name := range strings.SplitSeq(more, "|") {
			names = append(names, way+name)
		}
	}
	return append(names, strings.Split(elements, "|")...)
}

// wanted has the statuses of our own pages' cases. Where the browsers differ, there is
// none.
var wanted = map[string]int{
	"home: EventSource":            200,
	"home: EventSource, a stream":  200,
	"home: fetch ":                 200,
	"home: fetch origin":           200,
	"home: fetch same-origin":      200,
	"home: fetch no-referrer":      403,
	"home: fetch */*":              403,
	"home: fetch with Mirage-Link": 200,
	"home: POST":                   200,
	"home: POST no-referrer":       200,
	"home: WebSocket":              101,
	"home: img ":                   403,
	"home: script ":                403,
	"home: iframe ":                403,
	"home: link ":                  403,
	"home: prefetch ":              403,

	"home: worker: fetch ":                        200,
	"home: worker: fetch same-origin":             200,
	"home: worker: fetch no-referrer":             403,
	"home: worker no-referrer: fetch same-origin": 200,
	"home: shared worker: fetch same-origin":      200,
	"home: blob worker: fetch with Mirage-Link":   200,

	"home, no-referrer: EventSource":                    403,
	"home, no-referrer: fetch ":                         403,
	"home, no-referrer: fetch same-origin":              200,
	"home, no-referrer: fetch with Mirage-Link":         200,
	"home, no-referrer: POST":                           200,
	"home, no-referrer: WebSocket":                      101,
	"home, no-referrer: worker: fetch same-origin":      200,
	"home, no-referrer: worker: fetch with Mirage-Link": 200,
}

// An arrival is a request of a case, and the response to it.
type arrival struct {
	name   string
	r      *http.Request
	status int
}

// A plainSite is a server on two ports. On the first it is the site with the session, on
// the second it is somebody else's site.
type plainSite struct {
	*testing.T
	a, b  *httptest.Server
	files fs.FS
	live  http.Handler
	done  chan struct{} // closed after the last page

	mu       sync.Mutex
	visitor  string // the id of the visitor who sees the pages
	at       int    // the index of the page that is shown
	strange  int    // links of the visitor's session that began on foreign pages
	arrivals []arrival
}

func startPlainSite(t *testing.T) *plainSite {
	s := &plainSite{T: t, done: make(chan struct{})}
	var err error
	if s.files, err = fs.Sub(plainFiles, "plainhttp"); err != nil {
		t.Fatal(err)
	}
	codec, err := cookie.New(cookie.Options{Insecure: true}, []byte("e2e-e2e-e2e-e2e-e2e-e2e-e2e-e2e-"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	// One visitor tries every way there is within a minute: more links than a real
	// visitor needs.
	m := session.New(session.Options{Logger: quiet, Rate: -1, LinkRate: -1, MaxLinks: 1000, OnAttach: s.attached})
	identify := middleware.New(middleware.Options{Codec: codec, Sessions: m, Logger: quiet}).Guard
	s.live = identify(transport.Handler(m, transport.Options{}))

	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(s.files))
	mux.Handle("/page", identify(http.HandlerFunc(s.servePage)))
	mux.HandleFunc("/live", s.serveLive)
	mux.Handle("/live/mirage.js", transport.Script())
	mux.HandleFunc("/next", s.serveNext)
	mux.HandleFunc("/worker", s.serveWorker)
	mux.HandleFunc("/redirect", redirect)
	mux.HandleFunc("/reports", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy-Report-Only", "img-src 'none'; report-uri "+r.URL.Query().Get("to"))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><img src="/none">`)
	})
	s.a, s.b = httptest.NewUnstartedServer(mux), httptest.NewUnstartedServer(mux)
	s.a.Start()
	s.b.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = m.Shutdown(ctx)
		for _, server := range []*httptest.Server{s.a, s.b} {
			server.CloseClientConnections()
			server.Close()
		}
	})
	return s
}

// host returns the host of a server, as its pages use it.
func (s *plainSite) host(name string) string {
	name, server, _ := strings.Cut(name, ":")
	of := map[string]*httptest.Server{"a": s.a, "b": s.b}[server].Listener.Addr().String()
	return name + of[strings.LastIndex(of, ":"):]
}

// address returns the address of a page.
func (s *plainSite) address(n int) string {
	p, kind := plainPages[n], "foreign"
	if p.isOurs() {
		kind = "ours"
	}
	return "http://" + s.host(p.host) + "/page?" + url.Values{
		"kind": {kind}, "prefix": {p.name + ": "}, "policy": {p.policy}, "target": {s.own() + "/live"},
	}.Encode()
}

// own returns the origin of the site with the session.
func (s *plainSite) own() string { return "http://" + s.host("app.mirage.test:a") }

func (s *plainSite) servePage(w http.ResponseWriter, r *http.Request) {
	if id, ok := middleware.FromContext(r.Context()); ok && "http://"+r.Host == s.own() {
		s.mu.Lock()
		s.visitor = id.ID
		s.mu.Unlock()
	}
	if policy := r.URL.Query().Get("policy"); policy != "" {
		w.Header().Set("Referrer-Policy", policy)
	}
	http.ServeFileFS(w, r, s.files, "page.html")
}

// serveWorker serves the script of a worker, with a policy that the worker may adopt.
func (s *plainSite) serveWorker(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	if policy := r.URL.Query().Get("policy"); policy != "" {
		w.Header().Set("Referrer-Policy", policy)
	}
	for _, name := range []string{"cases.js", "worker.js"} {
		text, err := fs.ReadFile(s.files, name)
		if err != nil {
			s.Error(err)
		}
		_, _ = w.Write(text)
	}
}

// redirect redirects the browser to where the page wants it, as a foreign server can.
func redirect(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	status, err := strconv.Atoi(q.Get("status"))
	if err != nil {
		status = http.StatusFound
	}
	w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	w.Header().Set("Access-Control-Allow-Credentials", "true")
	w.Header().Set("Access-Control-Allow-Headers", "User-Agent")
	if policy := q.Get("policy"); policy != "" {
		w.Header().Set("Referrer-Policy", policy)
	}
	w.Header().Set("Location", q.Get("to"))
	w.WriteHeader(status)
}

func (s *plainSite) serveLive(w http.ResponseWriter, r *http.Request) {
	status := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	s.live.ServeHTTP(status, r)
	name := r.URL.Query().Get("case")
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" && r.Method != http.MethodOptions {
		s.arrivals = append(s.arrivals, arrival{name, r, status.status})
	}
}

// A statusWriter records the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// attached counts the links that foreign pages began for the visitor.
func (s *plainSite) attached(_ context.Context, sess *session.Session, _ session.ReaderInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess.ID() == s.visitor && !plainPages[s.at].isOurs() {
		s.strange++
	}
}

// serveNext names the next page to a page that has finished, once the requests that the
// page made the browser send have arrived.
func (s *plainSite) serveNext(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n := slices.IndexFunc(plainPages, func(p plainPage) bool { return p.name+": " == q.Get("prefix") })
	page := plainPages[n]
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		missing := s.missing(page)
		if len(missing) == 0 || r.Context().Err() != nil {
			break
		}
		if time.Now().After(deadline) {
			s.Errorf("%s: never came with the cookie: %q", page.name, missing)
			break
		}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at != n {
		return // a page that was left
	}
	opened := fmt.Sprintf("sse %s,poll %[1]s,websocket %[1]s", s.visitor)
	if q.Get("services") != "false" {
		s.Errorf("%s: there are service workers over plain http: the test has no cases of theirs", page.name)
	}
	if page.isOurs() && q.Get("opened") != opened {
		s.Errorf("%s: mirage.js opened %q, want %q", page.name, q.Get("opened"), opened)
	}
	if s.at++; s.at == len(plainPages) {
		s.at--
		close(s.done)
		return
	}
	fmt.Fprint(w, s.address(s.at))
}

// missing returns the cases of a page that have not arrived with the visitor's cookie
// yet.
func (s *plainSite) missing(page plainPage) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := map[string]bool{}
	for _, a := range s.arrivals {
		came[a.name] = came[a.name] || a.r.Header.Get("Cookie") != ""
	}
	return slices.DeleteFunc(slices.Clone(page.needs), func(name string) bool { return came[page.name+": "+name] })
}

// check compares a request with what browsers are known to send, and the response with
// I9.
func (s *plainSite) check(a arrival) {
	h := a.r.Header
	mine, origin, referer := h.Get("Cookie") != "", h.Get("Origin"), h.Get("Referer")
	if testing.Verbose() {
		s.Logf("%-72s %d %-4s cookie %-5v Origin %-32q Referer %-64q Accept %q",
			a.name, a.status, a.r.Method, mine, origin, referer, h.Get("Accept"))
	}
	if h["Sec-Fetch-Site"] != nil || !strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") {
		s.Errorf("%s: no browser on plain http sends %v", a.name, h)
	}
	if strings.HasPrefix(a.name, "home") {
		if want := wanted[a.name]; mine && want != 0 && a.status != want {
			s.Errorf("%s: status %d, want %d; %v", a.name, a.status, want, h)
		}
		return
	}

	if strings.HasPrefix(referer, s.own()+"/") || origin == s.own() || h.Get("Mirage-Link") != "" ||
		origin == "" && (a.r.Method != http.MethodGet || h.Get("Sec-WebSocket-Key") != "") {
		s.Errorf("%s: a foreign page forged %v", a.name, h)
	}
	if mine && a.status != http.StatusForbidden {
		s.Errorf("%s: status %d, want 403; %v", a.name, a.status, h)
	}
}

// startChromiumAlone shows a page in a Chromium without automation, until the test ends.
// Chromium resolves names in .test to this machine, and no others.
func startChromiumAlone(t *testing.T, page string) {
	t.Helper()
	path := findChromium()
	if path == "" {
		absent(t, "no Chromium found: apt-get install chromium, or set CHROMIUM to its path")
	}
	startProgram(t, exec.CommandContext(t.Context(), path, "--headless=new", "--user-data-dir="+scratch(t),
		"--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-popup-blocking",
		"--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", page))
}
