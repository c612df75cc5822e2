package transport_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	chimw "github.com/go-chi/chi/v5/middleware"

	"github.com/mirage-go/mirage/session"
)

// handshake is the header of a request for a WebSocket.
var handshake = []string{
	"Connection", "Upgrade", "Upgrade", "websocket",
	"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

const visitor = "?_cid=granted-0123456789abcdefgh"

// I15: a cookie comes with the first answer of a link that is granted, on every transport
// and with any middleware around or between, and with no refusal. Other cookies stay.
func TestI15CookiesOfLinks(t *testing.T) {
	sessions := &scs.SessionManager{ // not scs.New: its store has a goroutine for good
		Lifetime: time.Hour, Store: memstore.NewWithCleanupInterval(0), Codec: scs.GobCodec{},
		Cookie: scs.SessionCookie{Name: "session", Path: "/"},
	}
	limit := func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") }

	type request struct {
		name, method, query, body string
		header                    []string
		status                    int  // of a grant; 0 is a refusal
		ends                      bool // soon, so that TimeoutHandler lets it through
	}

	batch := []string{"Content-Type", "text/event-stream"}
	image := []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "image"}
	old := append([]string{"Sec-WebSocket-Version", "8"}, handshake[:4]...)
	requests := []request{
		{"a stream", "GET", visitor, "", nil, 200, false},
		{"a plain stream", "GET", "", "", nil, 200, false},
		{"a poll", "GET", visitor + "&_wait=25", "", nil, 200, true},
		{"a plain poll", "GET", "?_wait=25", "", nil, 200, true},
		{"a WebSocket", "GET", visitor, "", handshake, 101, false},
		{"a plain WebSocket", "GET", "", "", handshake, 101, false},

		{"no seconds", "GET", visitor + "&_wait=x", "", nil, 0, false},
		{"a GET with a body", "GET", visitor, "body", nil, 0, false},
		{"no goodbye", "DELETE", visitor, "", nil, 0, false},
		{"a forged token", "POST", visitor, "x", []string{"Mirage-Link", "forged"}, 0, false},
		{"numbers without a link", "POST", visitor, "event: mirage-up\n\n", batch, 0, false},
		{"an encoding", "POST", visitor, "x", []string{"Content-Encoding", "gzip"}, 0, false},
		{"a method", "PUT", visitor, "x", nil, 0, false},
		{"HEAD", "HEAD", visitor, "", nil, 0, false},
		{"an image", "GET", visitor, "", image, 0, false},
		{"an old WebSocket", "GET", visitor, "", old, 0, false},
	}

	for _, tt := range []struct {
		name            string
		around, between wrapper
		limits          bool // it lets through only what ends
	}{
		{"alone", nil, nil, false},
		{"in Compress", chimw.Compress(5, "text/event-stream", "application/json"), nil, false},
		{"around Compress", nil, chimw.Compress(5, "text/event-stream", "application/json"), false},
		{"in scs", sessions.LoadAndSave, nil, false},
		{"around scs", nil, sessions.LoadAndSave, false},
		{"in TimeoutHandler", limit, nil, true},
		{"around TimeoutHandler", nil, limit, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := setup{session: session.Options{OnMessage: new(inbox).onMessage}}
			if tt.around != nil {
				s.around = []func(http.Handler) http.Handler{tt.around}
			}

			s.inside = func(next http.Handler) http.Handler {
				h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Add("Set-Cookie", "other=1")
					next.ServeHTTP(w, r)
				}))
				if tt.between != nil {
					h = tt.between(h)
				}
				return h
			}
			inWorld(t, s, func(w *world) {
				for _, of := range []struct {
					visitor string
					old     bool
				}{{"somebody new", false}, {"somebody whose cookie is due", true}} {
					for _, r := range requests {
						b := w.browser()
						b.streams = true
						if of.old {
							b.do("GET", "?_wait=0", "")
							time.Sleep(9 * 24 * time.Hour)
						}

						want := r.status
						if tt.limits && !r.ends {
							want = 0
						}

						status, cookies, text := b.ask(r.method, r.query, r.body, r.header...)
						ours, others := w.cookiesOf(cookies)
						good := ours == ""
						if want != 0 {
							good = ours != "" && status == want && strings.Contains(text, `"id":"`+ours+`"`)
						}
						if !good || others != "other" {
							t.Errorf("%s, %s: %d, a cookie for %q and the others %q: %.200q; want %d",
								of.visitor, r.name, status, ours, others, text, want)
						}
					}
				}

				// A message without a link has its answer once it is handled.
				b := w.browser()
				if status, cookies, _ := b.ask("POST", "", "x"); status != 401 || len(cookies) != 1 {
					t.Errorf("a message of somebody new: %d %q", status, cookies)
				}

				b.do("GET", "?_wait=0", "")
				id := b.holds()
				time.Sleep(9 * 24 * time.Hour)
				_, err := w.m.Open(w.Context(), id)
				w.must(err)
				status, cookies, _ := b.ask("POST", "", "x")
				if ours, others := w.cookiesOf(cookies); status != 200 || ours != id || others != "other" {
					t.Errorf("a message of somebody whose cookie is due: %d %q", status, cookies)
				}
			})
		})
	}
}

// I15: a client that is refused for lack of room, or by a server that shuts down, gets no
// cookie.
func TestI15NoCookieWithoutALink(t *testing.T) {
	for _, tt := range []struct {
		name   string
		setup  setup
		before func(*world)
	}{
		{"no room", setup{session: session.Options{Budget: 1}}, func(*world) {}},
		{"the server goes away", setup{}, func(w *world) { w.must(w.m.Shutdown(w.Context())) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, tt.setup, func(w *world) {
				tt.before(w)
				for _, query := range []string{"", visitor, visitor + "&_wait=25"} {
					ofPage := append([]string{"Origin", w.origin()}, handshake...)
					for _, header := range [][]string{nil, handshake, ofPage} {
						if status, cookies, text := w.browser().ask("GET", query, "", header...); len(cookies) > 0 {
							t.Errorf("%q %q: %d %q %q", query, header, status, cookies, text)
						}
					}
				}
			})
		})
	}
}

// ask is do for a link, too: it returns the beginning of what came within a second.
func (b *browser) ask(method, query, body string, header ...string) (status int, cookies []string, text string) {
	b.w.Helper()
	r, err := http.NewRequestWithContext(b.w.Context(), method, b.w.url+query, strings.NewReader(body))
	b.w.must(err)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.client.Do(r)
	b.w.must(err)
	var buf bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&buf, resp.Body)
	}()
	select {
	case <-done:
		resp.Body.Close()
	case <-time.After(time.Second):
		resp.Body.Close()
		<-done
	}
	b.client.CloseIdleConnections()
	return resp.StatusCode, resp.Header["Set-Cookie"], buf.String()
}

// cookiesOf is the id in our cookie, and the names of the others.
func (w *world) cookiesOf(lines []string) (id, others string) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		if value, _, _ = strings.Cut(value, ";"); name == "mirage" {
			id += w.named(value)
		} else {
			others += name
		}
	}
	return id, others
}
