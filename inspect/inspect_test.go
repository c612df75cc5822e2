package inspect_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/inspect"
	"github.com/mirage-go/mirage/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers a request of this machine, unless change makes another one of it.
func serve(h http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:8080"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1234"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func newLive(t *testing.T, o inspect.Options) (*inspect.Inspector, *mirage.Live) {
	i := inspect.New(o)
	live := mirage.New(mirage.Options{Insecure: true, Observer: i})
	t.Cleanup(func() { live.Shutdown(t.Context()) })
	return i, live
}

// O3: without Authorize, the page is for this machine alone, by its own name and through
// no proxy. With Authorize, that alone decides.
func TestO3Authorize(t *testing.T) {
	from := func(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	i, live := newLive(t, inspect.Options{})
	h := i.Handler(live)
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"this machine", from("127.0.0.1:1"), 200},
		{"this machine by IPv6", from("[::1]:1"), 200},
		{"another machine", from("192.0.2.1:1"), 403},
		{"no address", from("@"), 403},
		{"a name by rebinding", host("evil.example"), 403},
		{"a name like ours", host("localhost.evil.example"), 403},
		{"an address", host("127.0.0.1:8080"), 200},
		{"an address by IPv6", host("[::1]:8080"), 200},
		{"without a port", host("localhost"), 200},
		{"through a proxy", header("X-Forwarded-For", "192.0.2.1"), 403},
		{"through a proxy of RFC 7239", header("Forwarded", "for=192.0.2.1"), 403},
		{"through a proxy, hidden behind an empty header", func(r *http.Request) {
			r.Header["X-Forwarded-For"] = []string{"", "192.0.2.1"}
		}, 403},
		{"through nginx", header("X-Real-IP", "192.0.2.1"), 403},
	} {
		for _, path := range []string{"/inspect/", "/inspect/main.js", "/inspect/api/overview"} {
			if w := serve(h, "GET", path, "", tt.change); w.Code != tt.status {
				t.Errorf("%s, %s: %d", tt.name, path, w.Code)
			}
		}
	}

	i, live = newLive(t,
		inspect.Options{Authorize: func(r *http.Request) bool { return r.Header.Get("X-Key") == "yes" }})
	h = i.Handler(live)
	if w := serve(h, "GET", "/inspect/", ""); w.Code != 403 || !strings.Contains(w.Body.String(), "not authorized") {
		t.Errorf("without the key: %d %s", w.Code, w.Body)
	}
	if w := serve(h, "GET", "/inspect/", "", header("X-Key", "yes"), from("192.0.2.1:1")); w.Code != 200 {
		t.Errorf("with the key: %d", w.Code)
	}
}

// O3: every response forbids the page to load anything but its own files, and keeps it
// out of frames, caches and referrers. No file has a script or style within its HTML.
func TestO3Policy(t *testing.T) {
	i, live := newLive(t, inspect.Options{})
	h := i.Handler(live)
	for _, path := range []string{"/", "/x/inspect/", "/inspect.css", "/main.js", "/icon.svg", "/api/overview",
		"/api/none", "/none.js"} {
		w := serve(h, "GET", path, "")
		got := w.Header()
		if p := got.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") ||
			!strings.Contains(p, "frame-ancestors 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: policy %q", path, p)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, got.Get(name))
			}
		}
		if strings.Contains(path, "api") && got.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached", path)
		}
	}
	page := serve(h, "GET", "/", "").Body.String()
	if strings.Contains(page, "<style") || strings.Contains(page, "onclick") || strings.Contains(page, "://") {
		t.Error("the page has something within its HTML that the policy forbids")
	}
	if w := serve(h, "GET", "/inspect", ""); w.Code != 307 || w.Header().Get("Location") != "/inspect/" {
		t.Errorf("without a slash: %d %q", w.Code, w.Header().Get("Location"))
	}
}

// O3: the page and its JSON work wherever they are mounted.
func TestO3Mounts(t *testing.T) {
	i, live := newLive(t, inspect.Options{})
	h := i.Handler(live)
	if _, err := live.Topic("a/api/sessions/b").Publish(t.Context(), mirage.Text("x")); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/inspect/", h)
	mux.Handle("/api/inspect/", h)
	mux.Handle("/admin/live/", http.StripPrefix("/admin/live", h))
	router := chi.NewRouter()
	router.Mount("/chi", h)
	mux.Handle("/chi/", router)
	for _, base := range []string{"/inspect/", "/api/inspect/", "/admin/live/", "/chi/"} {
		for path, want := range map[string]string{
			"": "<!doctype html>", "main.js": "generation", "api/overview": `"messages"`, "api/log": `"lines"`,
			"api/topics/a%2Fapi%2Fsessions%2Fb/members": `"members"`,
		} {
			if w := serve(mux, "GET", base+path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s%s: %d %.100s", base, path, w.Code, w.Body)
			}
		}
	}
}

// O3: the inspector acts only if it is allowed to, and only for its own page.
func TestO3Actions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, allowed := range []bool{false, true} {
			i, live := newLive(t, inspect.Options{AllowActions: allowed, ShowMessages: allowed})
			h := i.Handler(live)
			if _, err := live.Sessions().Open(t.Context(), "id"); err != nil {
				t.Fatal(err)
			}
			base := "/api/sessions/" + mirage.LogID("id")
			asJSON := header("Content-Type", "application/json")
			status := func(what string, w *httptest.ResponseRecorder, whenAllowed int) {
				t.Helper()
				want := 403
				if allowed {
					want = whenAllowed
				}
				if w.Code != want {
					t.Errorf("allowed %v: %s: %d %s", allowed, what, w.Code, w.Body)
				}
			}
			status("send", serve(h, "POST", base+"/send", `{"text":"hello operator"}`, asJSON), 200)
			status("messages", serve(h, "GET", base+"/messages", ""), 200)
			status("a form", serve(h, "POST", base+"/end", `{}`, header("Content-Type", "text/plain")), 415)
			status("a foreign page", serve(h, "POST", base+"/end", `{}`, asJSON, header("Sec-Fetch-Site",
				"cross-site")), 403)
			status("a foreign origin", serve(h, "POST", base+"/end", `{}`, asJSON, header("Origin",
				"https://evil.example")), 403)
			status("no such action", serve(h, "POST", base+"/sudo", `{}`, asJSON), 404)
			status("no such session", serve(h, "POST", "/api/sessions/abc/end", `{}`, asJSON), 404)
			status("a large body", serve(h, "POST", base+"/send", `{"text":"`+strings.Repeat("x", 70_000)+`"}`,
				asJSON), 400)
			status("end", serve(h, "POST", base+"/end", `{}`, asJSON), 200)

			if allowed {
				if got := serve(h, "GET", base, "").Body.String(); !strings.Contains(got, `"ended": "over"`) {
					t.Errorf("after end: %s", got)
				}
			}
		}
	})
}

// O3: ids are shown only if that is allowed, and messages only on demand.
func TestO3Secrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, shown := range []bool{false, true} {
			i, live := newLive(t, inspect.Options{ShowIDs: shown})
			h := i.Handler(live)
			m := live.Sessions()
			l, err := m.Attach(t.Context(), session.Attach{ID: "the-secret-id", Reader: "tab", Transport: "sse"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := live.Send(t.Context(), "the-secret-id", mirage.Text("the-secret-text")); err != nil {
				t.Fatal(err)
			}
			l.Close()

			var all strings.Builder
			key := mirage.LogID("the-secret-id")
			for _, path := range []string{"overview", "sessions", "sessions/" + key, "log", "topics"} {
				all.WriteString(serve(h, "GET", "/api/"+path, "").Body.String())
			}
			if strings.Contains(all.String(), "the-secret-id") != shown || strings.Contains(all.String(),
				"the-secret-text") {
				t.Errorf("ShowIDs %v: %s", shown, all.String())
			}

			for search, found := range map[string]bool{
				"the-secret-id": true, key[:5]: true, strings.ToUpper(key[:5]): true, "": true, "the-secret": false,
			} {
				w := serve(h, "POST", "/api/sessions", fmt.Sprintf(`{"search":%q}`, search), header("Content-Type",
					"application/json"))
				if strings.Contains(w.Body.String(), key) != found {
					t.Errorf("search %q: %s", search, w.Body)
				}
			}
		}
	})
}

// O3: what is remembered is bounded, the newest stays, and the time-line follows a
// session to its next id.
func TestO3Bounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, live := newLive(t, inspect.Options{Events: 8, MaxSessions: 64})
		h := i.Handler(live)
		for n := range 5000 {
			id := fmt.Sprint("id", n)
			i.Observe(session.Event{Kind: session.EventSessionOpened, Session: id})
			i.Observe(session.Event{Kind: session.EventRefused, Session: id, Transport: fmt.Sprint("t", n),
				Reason: fmt.Sprint("r", n)})
		}
		for n := range 40 {
			i.Observe(session.Event{Kind: session.EventLinkBegan, Session: "id4999", Reader: "tab", Link: uint64(n),
				Reason: fmt.Sprint(n)})
		}
		i.Observe(session.Event{Kind: session.EventSessionMoved, Session: "next", Previous: "id4999", Reason: "moved"})

		var list struct{ Total int }
		var one struct {
			Timeline []struct{ Kind, Reason string }
		}
		var log struct{ Lines []struct{ Number int } }
		var overview struct{ Reasons []any }
		for path, v := range map[string]any{
			"sessions": &list, "sessions/" + mirage.LogID("next"): &one, "log": &log, "overview": &overview,
		} {
			if err := json.Unmarshal(serve(h, "GET", "/api/"+path, "").Body.Bytes(), v); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if list.Total > 64+16 {
			t.Errorf("%d sessions are remembered", list.Total)
		}
		if n := len(one.Timeline); n != 8 || one.Timeline[7].Kind != "session-moved" || one.Timeline[0].Reason != "33" {
			t.Errorf("time-line: %+v", one.Timeline)
		}
		if len(log.Lines) != 500 || log.Lines[499].Number != 5041 {
			t.Errorf("the log has %d lines", len(log.Lines))
		}
		if len(overview.Reasons) > 16*257 {
			t.Errorf("%d reasons are counted", len(overview.Reasons))
		}
	})
}

// O3: messages of one link that follow one another are one mark.
func TestO3MarksJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, live := newLive(t, inspect.Options{})
		h := i.Handler(live)
		for n := range uint64(100) {
			i.Observe(session.Event{Kind: session.EventAppended, Session: "id", To: n + 1, Bytes: 5})
			i.Observe(session.Event{Kind: session.EventSent, Session: "id", Reader: "tab", From: n + 1, To: n + 1,
				Messages: 1})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		i.Observe(session.Event{Kind: session.EventAppended, Session: "id", To: 101, Bytes: 5})

		var one struct {
			Timeline []struct {
				Kind     string
				From, To uint64
				Messages int
			}
		}
		if err := json.Unmarshal(serve(h, "GET", "/api/sessions/"+mirage.LogID("id"), "").Body.Bytes(),
			&one); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(one.Timeline); got != "[{appended 1 100 100} {sent 1 100 100} {appended 0 101 1}]" {
			t.Error(got)
		}
	})
}

// O3, O4: the page explains the words as the documentation does.
func TestO3ReasonsAreCurrent(t *testing.T) {
	operations, err := os.Open("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	defer operations.Close()
	generate := exec.Command("go", "run", "../scripts/reasons.go")
	generate.Stdin = operations
	want, err := generate.Output()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("page/reasons.json")
	if err != nil || string(got) != string(want) {
		t.Error("page/reasons.json is not what docs/operations.md says: run go generate ./inspect")
	}
}

// O3: remembering an event takes no memory beyond the ring.
func TestO3Alloc(t *testing.T) {
	i := inspect.New(inspect.Options{})
	sent := session.Event{Kind: session.EventSent, Session: "id", Reader: "tab", Messages: 1, Transport: "sse"}
	ended := session.Event{Kind: session.EventLinkEnded, Session: "id", Reader: "tab", Transport: "sse", Reason: "left"}
	for range 100 {
		i.Observe(ended)
	}
	if n := testing.AllocsPerRun(1000, func() {
		i.Observe(sent)
		i.Observe(ended)
	}); n > 0 {
		t.Errorf("%v allocations for two events", n)
	}
}

func BenchmarkO3Observe(b *testing.B) {
	i := inspect.New(inspect.Options{})
	ids := make([]string, 1000)
	for n := range ids {
		ids[n] = fmt.Sprint("id", n)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			i.Observe(session.Event{Kind: session.EventSent, Session: ids[n%len(ids)], Reader: "tab", Messages: 1,
				Transport: "sse"})
		}
	})
}
