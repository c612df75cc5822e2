package transport_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// I1, I2, I4: a new visitor gets an id, and keeps it; a forged cookie is none; the query
// wins over the cookie.
func TestI1Ids(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		b := w.browser()
		first, second := b.tab(), b.tab()
		first.open()
		second.open()
		if id := first.hello.ID; len(id) != 16 || second.hello.ID != id {
			t.Errorf("ids %q and %q", id, second.hello.ID)
		}
		stranger := w.browser()
		stranger.header["Cookie"] = []string{"mirage=forged"}
		forged := stranger.tab()
		forged.open()
		if id := forged.hello.ID; id == "" || id == first.hello.ID {
			t.Errorf("forged cookie got %q", id)
		}

		keeps := w.browser().tab() // keeps its signed value itself
		l := keeps.dialWith("&_mirage=")
		synctest.Wait()
		l.close()
		signed := keeps.hello.Mirage
		if !strings.HasPrefix(signed, "~") || strings.Contains(signed, keeps.hello.ID) {
			t.Fatalf("hello hands out %q", signed)
		}
		other := b.tab() // with the cookie of first, and the other's query
		other.dialWith("&_mirage=" + signed)
		synctest.Wait()
		if other.hello.ID != keeps.hello.ID || first.hello.Mirage != "" {
			t.Errorf("query %q, cookie client %q sees %q", other.hello.ID, first.hello.ID, first.hello.Mirage)
		}
	})
}

// I5: refused, timed out and failed hooks have different answers, and nothing of such a
// request reaches the application.
func TestI5Outcomes(t *testing.T) {
	var app inbox
	for _, tt := range []struct {
		name   string
		hook   func(*http.Request, string) (string, error)
		status int
		retry  bool
	}{
		{"refused", func(*http.Request, string) (string, error) { return "", errors.New("no") }, 403, false},
		{"slow", func(r *http.Request, _ string) (string, error) {
			<-r.Context().Done()
			return "", r.Context().Err()
		}, 503, true},
		{"told to come back", func(*http.Request, string) (string, error) {
			return "", &middleware.Error{Status: 429, Reason: "busy", RetryAfter: time.Second}
		}, 429, true},
		{"panic", func(*http.Request, string) (string, error) { panic("hook") }, 503, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := setup{session: session.Options{
				OnMessage: app.onMessage,
				OnAttach: func(context.Context, *session.Session, session.ReaderInfo) {
					t.Error("OnAttach for a refused request")
				},
			}}
			s.identity.Validate = tt.hook
			inWorld(t, s, func(w *world) {
				b := w.browser()
				signed, err := w.codec.Set(http.Header{}, "abc")
				w.must(err)
				b.header["Cookie"] = []string{"mirage=" + signed}
				tab := b.tab()

				for _, a := range []answer{
					b.do("GET", tab.query(""), ""),
					b.do("GET", tab.query("&_wait=1"), ""),
					b.do("POST", "", "hello"),
				} {
					if a.status != tt.status || (a.header.Get("Retry-After") != "") != tt.retry ||
						a.header.Get("Content-Type") != "application/problem+json" {
						t.Errorf("%d %q %v", a.status, a.body, a.header)
					}
				}
				app.has(w)
			})
		})
	}
}

// I3, I5, U3: messages to a session whose returning client waits for its hook arrive once
// and in order after acceptance. So does the client's own message, sent meanwhile. A
// broadcast does not reach a client that is not accepted.
func TestI5WhileAHookRuns(t *testing.T) {
	var app inbox
	slow := false
	s := setup{session: session.Options{OnMessage: app.onMessage}}
	s.identity.Validate = func(r *http.Request, _ string) (string, error) {
		if slow {
			time.Sleep(2 * time.Second)
		}
		return "", nil
	}

	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		tab.open().close()
		slow = true

		start := time.Now()
		tab.dial()
		posted := make(chan answer, 1)
		go func() { posted <- tab.b.do("POST", "", "early") }()
		w.send(tab.hello.ID, "a", "b")

		synctest.Wait()
		_, err := w.m.Broadcast(w.Context(), store.Text("c"))
		w.must(err)
		tab.has()
		app.has(w)

		time.Sleep(time.Until(start.Add(2 * time.Second)))
		if a := <-posted; a.status != 200 {
			t.Errorf("POST: %d %s", a.status, a.body)
		}
		tab.has("a", "b", "c")
		app.has(w, "early")
	})
}

// I6: the application sees the new id alone, hello names both, the session moves with its
// messages; if the answer is lost, the old value gives the new id again to the same
// client, and to nobody else.
func TestI6Replacement(t *testing.T) {
	var s setup
	s.identity.Validate = func(_ *http.Request, id string) (string, error) {
		if strings.HasPrefix(id, "user-") {
			return "", nil
		}
		return "user-" + id, nil
	}
	inWorld(t, s, func(w *world) {
		b := w.browser()
		tab := b.tab()
		l := tab.open()
		old := tab.hello.ID
		w.send(old, "a")
		tab.has("a")
		l.close()
		w.send(old, "b")
		cookie := tab.b.client.Jar.Cookies(mustURL(w.url))[0].String()

		tab.open().close()
		if h := tab.hello; h.ID != "user-"+old || h.Previous != old || !h.Resumed {
			t.Errorf("hello: %+v", h)
		}
		tab.has("a", "b")
		if _, err := w.m.Send(w.Context(), old, store.Text("x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the old id: %v", err)
		}

		lost := w.browser() // the same client, to which the answer did not come
		lost.header["Cookie"] = []string{cookie}
		again := lost.tab()
		again.cid, again.pos = tab.cid, tab.pos
		w.send("user-"+old, "c")
		again.open().close()
		if h := again.hello; h.ID != "user-"+old || h.Previous != old || !h.Resumed {
			t.Errorf("hello after a lost answer: %+v", h)
		}
		again.has("c")
	})
}

// I7, W6: hooks run once per link, not per poll or POST. The token of a session that has
// ended gets 401 and makes no session.
func TestI7LinkToken(t *testing.T) {
	calls := 0
	var app inbox
	s := setup{session: session.Options{OnMessage: app.onMessage}}
	s.identity.Validate = func(*http.Request, string) (string, error) { calls++; return "", nil }
	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")

		for range 5 {
			tab.poll("1")
			tab.say("x")
		}
		if calls != 0 { // the id was new
			t.Errorf("%d calls of Validate", calls)
		}

		tab.open()
		if calls != 1 {
			t.Errorf("%d calls of Validate for a second link", calls)
		}

		w.must(w.m.End(w.Context(), tab.hello.ID))
		synctest.Wait()
		if got := tab.told; len(got) == 0 || got[len(got)-1] != "mirage-end" {
			t.Errorf("told %v", got)
		}

		for _, a := range []answer{tab.poll("1"), tab.post("9:x")} {
			if a.status != 401 {
				t.Errorf("after the end: %d %s", a.status, a.body)
			}
		}
		if _, err := w.m.Send(w.Context(), tab.hello.ID, store.Text("x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a token made a session: %v", err)
		}
	})
}

// I9: a foreign page gets 403 on every method and nothing else.
func TestI9Foreign(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		b := w.browser()
		tab := b.tab()
		tab.open()

		for _, h := range [][]string{
			{"Origin", "http://evil.example"},
			{"Sec-Fetch-Site", "cross-site", "Origin", "http://evil.example"},
			{"Sec-Fetch-Site", "same-site", "Origin", "http://sub.127.0.0.1"},
			{"Origin", "null"},
			{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Dest", "image"},
			{"Sec-Fetch-Site", "same-origin", "Sec-Purpose", "prefetch"},
		} {
			for _, a := range []answer{
				b.do("GET", "", "", h...),
				b.do("GET", "?_wait=1", "", h...),
				b.do("POST", "", "x", h...),
			} {
				if a.status != 403 || a.header.Get("Set-Cookie") != "" ||
					a.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%v: %d %v", h, a.status, a.header)
				}
			}
		}
		app.has(w)
	})
}

// I11: Revoke ends the links terminally and refuses the values signed before.
func TestI11Revoke(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		w.must(w.m.Revoke(w.Context(), tab.hello.ID))
		<-l.done
		if tab.told[0] != "mirage-end" {
			t.Errorf("told %v", tab.told)
		}
		for _, a := range []answer{tab.b.do("GET", tab.query(""), ""), tab.b.do("POST", "", "x")} {
			if a.status != 410 || a.header.Get("Set-Cookie") != "" {
				t.Errorf("after Revoke: %d %v", a.status, a.header)
			}
		}
	})
}

// I11: the response that hands out a new id may reach the browser later than the end of
// its links: a client that came back at once would still show the old id, be told 410,
// and stop for good. So everyone is told to wait, whatever the transport.
func TestI11MovedClientsWait(t *testing.T) {
	for _, tt := range []struct {
		name  string
		token bool // of the link goes along
		query string
		last  string
	}{
		{"stream", false, "?_cid=documentation-0123456789", "event: mirage-drain\ndata: {\"retry\":2000}\n"},
		{"plain", false, "", "retry: 2000\n"},
		{"poll", true, "?_cid=documentation-0123456789&_wait=25", "event: mirage-drain\ndata: {\"retry\":2000}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) {
				b := w.browser()
				first := b.tab()
				first.poll("1")
				id := first.hello.ID
				var header []string
				if tt.token { // else it is answered at once
					var poller tab
					w.must(poller.read(strings.NewReader(b.do("GET", tt.query, "").body)))
					header = []string{"Mirage-Link", poller.token()}
				}

				under := make(chan answer, 1)
				go func() { under <- b.do("GET", tt.query, "", header...) }()
				synctest.Wait()

				// What Rotate does.
				w.must(w.m.Move(w.Context(), id, "another", ""))
				w.must(w.m.Revoke(w.Context(), id))
				if a := <-under; a.status != 200 || !strings.HasSuffix(strings.TrimRight(a.body, "\n")+"\n", tt.last) {
					t.Errorf("the link ended with %d %q", a.status, a.body)
				}
			})
		})
	}
}
