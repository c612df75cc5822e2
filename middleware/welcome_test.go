package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// I8: the cookie is set if there is none, and renewed with the same id when a quarter of
// its age has passed. In between nothing is set. A value in the query is renewed in the
// same way, through Signed.
func TestI8Renewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{MaxAge: 4 * time.Hour})})
		res, id := s.admit(request("GET", "/"))
		value := cookieOf(res)

		for _, step := range []struct {
			wait  time.Duration
			renew bool
		}{{0, false}, {time.Hour, false}, {time.Second, true}} {
			time.Sleep(step.wait)
			res, got := s.admit(request("GET", "/", withCookie(value)))
			if got.ID != id.ID || (cookieOf(res) != "") != step.renew {
				t.Errorf("after %v more: %q, renewed %v, want %v", step.wait, got.ID, cookieOf(res) != "", step.renew)
			}
			_, got = s.admit(request("GET", "/?_mirage=~"+value))
			if got.ID != id.ID || (got.Signed != "~"+value) != step.renew {
				t.Errorf("query, after %v more: %q, renewed %v, want %v",
					step.wait, got.ID, got.Signed != "~"+value, step.renew)
			}
		}

		time.Sleep(3 * time.Hour) // expired: its owner is not locked out, but gets a new id
		if _, got := s.admit(request("GET", "/", withCookie(value))); got.ID == id.ID {
			t.Error("an expired cookie still counts")
		}
	})
}

// I8: valid cookies of two different ids are cookie tossing: none counts, and the
// response replaces both with a third.
func TestI8Tossing(t *testing.T) {
	s := newSite(t, middleware.Options{})
	res, id := s.admit(request("GET", "/", withCookie(s.sign("ann")), withCookie(s.sign("eve"))))
	if id.ID == "ann" || id.ID == "eve" || cookieOf(res) == "" || s.count("invalid-cookie") != 1 {
		t.Errorf("%+v, cookie %q", id, cookieOf(res))
	}
}

// I2: keys change without anybody losing the id, and the cookie is renewed with the new
// key.
func TestI2KeyRotation(t *testing.T) {
	before := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{}, key('o'))})
	res, ann := before.admit(request("GET", "/"))
	both := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{}, key('n'), key('o'))})
	res, got := both.admit(request("GET", "/", withCookie(cookieOf(res))))
	if got.ID != ann.ID || cookieOf(res) == "" {
		t.Fatalf("id %q, want %q; cookie %q", got.ID, ann.ID, cookieOf(res))
	}
	after := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{}, key('n'))})
	if _, got := after.admit(request("GET", "/", withCookie(cookieOf(res)))); got.ID != ann.ID {
		t.Errorf("id %q, want %q", got.ID, ann.ID)
	}
}

// I8: the header is set before next is called, next gets the same ResponseWriter, and
// Vary lists the headers that decide about the identity.
func TestI8NeverWraps(t *testing.T) {
	w := httptest.NewRecorder()
	guard := middleware.New(middleware.Options{Codec: newCodec(t, cookie.Options{})}).Guard
	h := guard(http.HandlerFunc(func(got http.ResponseWriter, r *http.Request) {
		if got != http.ResponseWriter(w) {
			t.Errorf("next got a %T", got)
		}
		if got.Header().Get("Set-Cookie") == "" {
			t.Error("the cookie is not there yet")
		}
	}))
	w.Header().Set("Vary", "Accept-Encoding")
	h.ServeHTTP(w, request("GET", "/"))
	if got := strings.Join(w.Header()["Vary"], ", "); !strings.HasPrefix(got, "Accept-Encoding, Cookie, ") {
		t.Errorf("Vary %q", got)
	}
}

// If a Middleware is mounted twice around one handler, the inner one does nothing.
// Another Middleware decides on its own.
func TestMountedTwice(t *testing.T) {
	hooks := 0
	mw := middleware.New(middleware.Options{
		Codec:    newCodec(t, cookie.Options{}),
		Generate: func(*http.Request) (string, error) { hooks++; return "ann", nil },
	}).Guard
	w := httptest.NewRecorder()
	mw(mw(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))).ServeHTTP(w, request("GET", "/"))
	if hooks != 1 || len(w.Result().Cookies()) != 1 {
		t.Errorf("%d hooks, cookies %v", hooks, w.Result().Cookies())
	}
}

// Require says what is wrong if there is no middleware. NewContext is enough to test a
// handler.
func TestRequire(t *testing.T) {
	_, err := middleware.Require(httptest.NewRecorder(), request("GET", "/"))
	if statusOf(err) != 500 || !strings.Contains(err.Error(), "not mounted") {
		t.Errorf("without the middleware: %v", err)
	}
	if _, ok := middleware.FromContext(t.Context()); ok {
		t.Error("an identity from nowhere")
	}
	for _, want := range []middleware.Identity{{ID: "ann"}, {ID: "ann", Reader: cid, Link: 7}} {
		ctx := middleware.NewContext(t.Context(), want)
		if got, ok := middleware.FromContext(ctx); ok != (want.Link == 0) || ok && got != want {
			t.Errorf("FromContext: %+v, %v", got, ok)
		}
		got, err := middleware.Require(httptest.NewRecorder(), request("GET", "/").WithContext(ctx))
		if err != nil || got != want {
			t.Errorf("Require: %+v, %v", got, err)
		}
		_, err = middleware.Require(httptest.NewRecorder(), request("DELETE", "/").WithContext(ctx))
		if got := statusOf(err); (got == 401) != (want.Link == 0) {
			t.Errorf("DELETE with link %d: %v", want.Link, err)
		}
	}
}

// I9: the checks that Require adds to those of the middleware.
func TestI9Require(t *testing.T) {
	s := newSite(t, middleware.Options{})

	tests := map[string]struct {
		method, target string
		headers        []string
		want           int
	}{
		"cookie, bare GET":            {"GET", "/", nil, 403},
		"cookie, event stream":        {"GET", "/", []string{"Accept: text/html, text/event-stream"}, 0},
		"cookie, our header":          {"GET", "/", []string{"Mirage-Link: anything"}, 0},
		"cookie, WebSocket":           {"GET", "/", []string{"Sec-WebSocket-Key: x"}, 0},
		"cookie, with Sec-Fetch-Site": {"GET", "/", []string{"Sec-Fetch-Site: same-origin"}, 0},
		"cookie, with Origin":         {"GET", "/", []string{"Origin: https://example.com"}, 0},
		"cookie, POST":                {"POST", "/", nil, 0},
		"query, bare GET":             {"GET", "/?_mirage=~" + s.sign("bob"), nil, 0},
		"image": {"GET", "/", []string{
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: image",
		}, 403},
		"worker": {"GET", "/", []string{
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: worker",
		}, 403},
		"empty dest": {"GET", "/", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty"}, 0},
		"websocket dest": {"GET", "/", []string{
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: websocket",
		}, 0},
		"two dests": {"GET", "/", []string{
			"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: empty", "Sec-Fetch-Dest: image",
		}, 403},
		"prefetch":        {"GET", "/", []string{"Sec-Fetch-Site: same-origin", "Sec-Purpose: prefetch"}, 403},
		"prerender":       {"GET", "/", []string{"Sec-Fetch-Site: none", "Sec-Purpose: prefetch;prerender"}, 403},
		"query, prefetch": {"GET", "/?_mirage=~" + s.sign("bob"), []string{"Sec-Purpose: prefetch"}, 403},
		"form":            {"POST", "/", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: document"}, 403},
		"image of an allow-listed one": {"GET", "/", []string{
			"Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image",
		}, 403},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, v, reached := s.do(request(test.method, test.target, append(test.headers, withCookie(s.sign("ann")))...))
			if !reached || statusOf(v.refusal) != test.want {
				t.Errorf("reached %v, %v, want %d", reached, v.refusal, test.want)
			}
		})
	}

	if _, v, _ := s.do(request("GET", "/")); v.refusal != nil {
		t.Errorf("a program without a cookie: %v", v.refusal) // curl -N: there is no cookie to abuse
	}
}
