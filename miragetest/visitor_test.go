package miragetest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

// What a visitor sends has the headers of a browser.
func TestC2Browser(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	names := strings.Fields("Origin Referer Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-Dest Content-Type")
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var line strings.Builder
		line.WriteString(r.Method + " " + r.URL.Path)
		for _, name := range names {
			line.WriteString(" " + r.Header.Get(name))
		}
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		lines = append(lines, line.String()+" "+string(body))
		mu.Unlock()
		switch r.URL.Path {
		case "/form":
			http.SetCookie(w, &http.Cookie{Name: "c", Value: "1", Secure: true})
			http.Redirect(w, r, "/next", http.StatusSeeOther)
		case "/away":
			http.Redirect(w, r, "https://idp.example/", http.StatusFound)
		default:
			fmt.Fprint(w, r.Header.Get("Cookie"), r.UserAgent())
		}
	})
	check := func(v *miragetest.Visitor) {
		t.Helper()
		v.Get("/page")
		v.SetHeader("User-Agent", "mine")
		res := v.PostForm("/form", url.Values{"a": {"b c"}})
		if res.Text != "c=1mine" || res.Request.URL.Path != "/next" {
			t.Errorf("the form led to %s: %q", res.Request.URL, res.Text)
		}
		v.SetHeader("User-Agent", "")
		v.Fetch("GET", "/script", nil)
		v.Fetch("PUT", "/script", map[string]int{"n": 1})
		v.Fetch("POST", "/script", "text")
		r, _ := http.NewRequest("POST", "/foreign?x=1", nil)
		r.Header.Set("Origin", "https://evil.example")
		v.Do(r)
		if res := v.Get("/away").Expect(http.StatusFound); res.Header.Get("Location") != "https://idp.example/" {
			t.Errorf("the redirect is %v", res.Header)
		}
	}
	want := []string{
		"GET /page   none navigate document  ",
		"POST /form SITE SITE/ same-origin navigate document application/x-www-form-urlencoded a=b+c",
		"GET /next  SITE/form none navigate document  ",
		"GET /script  SITE/ same-origin cors empty  ",
		`PUT /script SITE SITE/ same-origin cors empty application/json {"n":1}`,
		"POST /script SITE SITE/ same-origin cors empty text/plain;charset=UTF-8 text",
		"POST /foreign https://evil.example  cross-site cors empty  ",
		"GET /away   none navigate document  ",
	}
	compare := func(site string) {
		t.Helper()
		for i := range max(len(lines), len(want)) {
			if i >= len(lines) || i >= len(want) || lines[i] != strings.ReplaceAll(want[i], "SITE", site) {
				t.Errorf("the requests are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
				break
			}
		}
		lines = nil
	}

	synctest.Test(t, func(t *testing.T) {
		v := miragetest.New(t, h).Visitor()
		check(v)
		if _, err := v.HTTPClient().Get("https://elsewhere.example/"); err == nil ||
			!strings.Contains(err.Error(), "the network in memory has only http://localhost") {
			t.Errorf("another host: %v", err)
		}
	})
	compare("http://localhost")
	server := miragetest.New(t, h)
	check(server.Visitor())
	compare(server.URL())
}

// A tab's requests are those of a page of the site, so other checks than Mirage's let
// them in, and let in no others.
func TestC2TabHeaders(t *testing.T) {
	everywhere(t, func(t *testing.T, o client.Options) {
		var mu sync.Mutex
		var bad []string
		live := newChat()
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			site, mode := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Sec-Fetch-Mode")
			isSocket := r.Header.Get("Upgrade") != ""
			if site != "same-origin" || isSocket != (mode == "websocket") || r.Header.Get("X-Mine") != "yes" ||
				(isSocket || r.Method == "POST") != (r.Header.Get("Origin") != "") {
				mu.Lock()
				bad = append(bad, fmt.Sprint(r.Method, r.Header))
				mu.Unlock()
			}
			live.ServeHTTP(w, r)
		})
		v := miragetest.New(t, h).Visitor()
		v.SetHeader("X-Mine", "yes")
		tab := v.Tab("/live/", o)
		tab.Emit("message", "hello")
		tab.Expect("message", `"hello"`)
		mu.Lock()
		defer mu.Unlock()
		if len(bad) > 0 {
			t.Errorf("requests of the tab: %q", bad)
		}
	})
}

// A laptop sleeps. What was said meanwhile arrives, unless it is too old, which is told.
func TestC2Sleep(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newChat()
				ann := miragetest.New(t, app).Visitor()
				tab := ann.Tab("/live/", client.Options{Transports: []string{transport}})
				time.AfterFunc(20*time.Second, func() {
					if gone := app.closed(); gone != nil {
						t.Error("the application has noticed that the laptop sleeps")
					}
					app.tell(tab.ID(), "during the nap")
				})
				begin := time.Now()
				ann.Sleep(time.Minute)
				if d := time.Since(begin); d < time.Minute || d > 61*time.Second {
					t.Errorf("a minute took %v", d)
				}
				tab.Expect("message", "during the nap")
				tab.ExpectNothing()

				time.AfterFunc(30*time.Second, func() { app.tell(tab.ID(), "in the night") })
				ann.Sleep(8 * time.Hour)
				tab.ExpectGap()
				tab.ExpectNothing()
			})
		})
	}
}

// The network of one visitor fails, and that of another one does not. A cut of one tab
// does not touch the other.
func TestC2Network(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newChat()
		server := miragetest.New(t, app)
		ann, bob := server.Visitor(), server.Visitor()
		one, two, tab := ann.Tab("/live/"), ann.Tab("/live/"), bob.Tab("/live/")

		begin := time.Now()
		ann.Network().Delay(time.Second)
		one.Emit("echo", 1)
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("with a delay of 1s each way, the answer took %v", d)
		}
		tab.Emit("echo", 1)
		if d := time.Since(begin); d != 2*time.Second {
			t.Errorf("for another visitor, it took %v", d-2*time.Second)
		}
		ann.Network().Heal()

		links := ann.Network().Stats().Connections
		one.Cut()
		if two.Client().State().Phase != client.PhaseOpen || one.Client().State().Phase == client.PhaseOpen {
			t.Errorf("after a cut, the tabs are %+v and %+v", one.Client().State(), two.Client().State())
		}
		one.ExpectState(client.PhaseOpen)
		if n := ann.Network().Stats().Connections - links; n != 1 {
			t.Errorf("%d new connections after a cut", n)
		}

		ann.Network().Hole()
		app.tell(one.ID(), "in the hole")
		time.Sleep(time.Minute)
		ann.Network().Heal()
		one.Expect("message", "in the hole")
		two.Expect("message", "in the hole")
	})
}

// Close is noticed by the application like a page that goes away, and the tab's state is
// not kept.
func TestC2Close(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newChat()
				ann := miragetest.New(t, app).Visitor()
				ann.PostForm("/login", as("Ann"))
				tab := ann.Tab("/live/", client.Options{Transports: []string{transport}})
				tab.Send("say", said{"room:7", "", "last words"})
				tab.Close()
				tab.Close()
				time.Sleep(9 * time.Second)
				if gone := app.closed(); gone != nil {
					t.Errorf("the tab counts as gone at once: %q", gone)
				}
				time.Sleep(2 * time.Second)
				if gone := app.closed(); !slices.Equal(gone, []string{"Ann"}) {
					t.Errorf("%q have closed their tabs", gone)
				}
				room := ann.Tab("/live/").Join("room:7", client.JoinOptions{From: client.FromStart})
				room.Expect("said", said{"room:7", "Ann", "last words"})
			})
		})
	}
}

// A growing message is whole after a reload in the middle of it.
func TestC2Growing(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := newChat()
				ann := miragetest.New(t, app).Visitor()
				ann.PostForm("/login", as("Ann"))
				tab := ann.Tab("/live/", client.Options{Transports: []string{transport}})
				tab.Join("room:7")
				answer := app.live.Topic("room:7").Stream(t.Context(), "answer", "1")
				fmt.Fprint(answer, "It ")
				time.Sleep(time.Second)
				tab.Reload()
				room := tab.Join("room:7")
				fmt.Fprint(answer, "grows.")
				_ = answer.Close()
				room.ExpectWhole("answer", "It grows.")
				_, _ = app.live.Topic("room:7").Publish(t.Context(), mirage.Text("after"))
				room.Expect("message", "after")
				room.ExpectNothing()
				room.Leave()
				tab.Join("room:7", client.JoinOptions{From: client.FromStart}).ExpectWhole("answer", "It grows.")
				tab.ExpectNothing()
			})
		})
	}
}

// Refused links say why. A page that is refused is not a tab of the visitor.
func TestC2Refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := mirage.New(mirage.Options{
			Insecure: true,
			Validate: func(r *http.Request, id string) (string, error) {
				if status := r.Header.Get("X-Status"); status == "503" {
					return "", &mirage.Error{Status: 503, Reason: "later"}
				}
				return "", &mirage.Error{Status: 403, Reason: "log in"}
			},
		})
		mux := http.NewServeMux()
		mux.Handle("/live/", live)
		mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
		v := miragetest.New(t, live.Identify(mux)).Visitor()
		v.Get("/").Expect(http.StatusOK) // gives the visitor an id
		begin := time.Now()
		if e := v.ExpectRefused("/live/", 403); e.Detail != "log in" {
			t.Errorf("the reason is %q", e.Detail)
		}
		v.SetHeader("X-Status", "503")
		if e := v.ExpectRefused("/live/", 503); e.Detail != "later" {
			t.Errorf("the reason is %q", e.Detail)
		}
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("the refusals took %v", d)
		}
		v.Offline()
		v.Online()
		v.Sleep(time.Second)
	})
}
