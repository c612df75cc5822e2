package middleware_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// I7: with a valid link token no hook runs, and the identity is that of the token.
func TestI7Token(t *testing.T) {
	hooks := 0
	s := newSite(t, middleware.Options{Validate: func(*httpRequest, string) (string, error) {
		hooks++
		return "", nil
	}})
	c := s.sign("ann")
	_, id := s.admit(request("GET", "/", withCookie(c)))
	token := id.LinkToken(cid, 7, 10*time.Minute)
	if hooks != 1 || token == "" {
		t.Fatalf("%d hooks, token %q", hooks, token)
	}

	bob := middleware.Identity{}
	if bob.LinkToken(cid, 1, time.Minute) != "" {
		t.Error("an identity from nowhere made a token")
	}

	_, other := s.admit(request("GET", "/?_mirage=~"+s.sign("bob")))
	foreign := other.LinkToken(cid, 8, 10*time.Minute)
	hooks = 0

	tests := map[string]struct {
		method, target string
		headers        []string
		linked         bool // the token counts
		hooks          int
		status         int // of Require; 0 means none
	}{
		"POST":                   {"POST", "/", []string{withCookie(c), "Mirage-Link: " + token}, true, 0, 0},
		"POST again, remembered": {"POST", "/", []string{withCookie(c), "Mirage-Link: " + token}, true, 0, 0},
		"DELETE":                 {"DELETE", "/", []string{withCookie(c), "Mirage-Link: " + token}, true, 0, 0},
		"poll":                   {"GET", "/?_wait=25", []string{withCookie(c), "Mirage-Link: " + token}, true, 0, 0},
		"by query":               {"POST", "/?_mirage=~" + c, []string{"Mirage-Link: " + token}, true, 0, 0},
		"query is not cookie":    {"POST", "/?_mirage=" + c, []string{"Mirage-Link: " + token}, false, 0, 401},
		"GET without _wait":      {"GET", "/", []string{withCookie(c), "Mirage-Link: " + token}, false, 1, 0},
		"POST, no token":         {"POST", "/", []string{withCookie(c)}, false, 1, 0},
		"DELETE, no token":       {"DELETE", "/", []string{withCookie(c)}, false, 1, 401},
		"POST, forged":           {"POST", "/", []string{withCookie(c), "Mirage-Link: x" + token}, false, 0, 401},
		"POST, empty":            {"POST", "/", []string{withCookie(c), "Mirage-Link: "}, false, 0, 401},
		"poll, forged":           {"GET", "/?_wait=25", []string{withCookie(c), "Mirage-Link: x"}, false, 1, 0},
		"POST, of another id":    {"POST", "/", []string{withCookie(c), "Mirage-Link: " + foreign}, false, 0, 401},
		"poll, of another id": {"GET", "/?_wait=25", []string{
			withCookie(c), "Mirage-Link: " + foreign,
		}, false, 1, 0},
		"POST, alone":            {"POST", "/", []string{"Mirage-Link: " + token}, false, 0, 401},
		"POST, beside a forgery": {"POST", "/", []string{withCookie("x" + c), "Mirage-Link: " + token}, false, 0, 401},
		"POST, two tokens": {"POST", "/", []string{
			withCookie(c), "Mirage-Link: " + token, "Mirage-Link: " + token,
		}, false, 0, 401},
		"POST, id as token": {"POST", "/", []string{withCookie(c), "Mirage-Link: " + c}, false, 0, 401},
		"POST, bad query, cookie": {"POST", "/?_mirage=~x", []string{
			withCookie(c), "Mirage-Link: " + token,
		}, true, 0, 0},
		"poll, from a foreign page": {"GET", "/?_wait=25", []string{
			withCookie(c), "Mirage-Link: " + token, "Sec-Fetch-Site: cross-site",
		}, false, 0, 403},
		"HEAD": {"HEAD", "/?_wait=25", []string{
			withCookie(c), "Mirage-Link: " + token,
		}, false, 0, 405},
		"PUT: no method of the wire": {"PUT", "/", []string{withCookie(c), "Mirage-Link: " + token}, false, 1, 0},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			hooks = 0
			r := request(test.method, test.target, append(test.headers, "Accept: text/event-stream")...)
			_, v, reached := s.do(r)
			if !reached || hooks != test.hooks {
				t.Fatalf("reached %v, %d hooks, want %d", reached, hooks, test.hooks)
			}
			if linked := v.Link == 7 && v.Reader == cid && v.ID == "ann"; linked != test.linked {
				t.Errorf("identity %+v, linked %v, want %v", v.Identity, linked, test.linked)
			}
			if got := statusOf(v.refusal); got != test.status {
				t.Errorf("Require: %v, want status %d", v.refusal, test.status)
			}
		})
	}
}

// I7: a token is valid for the link's life plus a minute, cached or not, and never longer
// than the id value presented with it.
func TestI7TokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{MaxAge: time.Hour})})
		c := s.sign("ann")
		_, id := s.admit(request("GET", "/", withCookie(c)))
		token := id.LinkToken("", 7, 10*time.Minute)
		long := id.LinkToken("", 8, 2*time.Hour)
		post := func(token string) bool {
			_, v, _ := s.do(request("POST", "/", withCookie(c), "Mirage-Link: "+token))
			return v.refusal == nil
		}

		for _, step := range []struct {
			wait time.Duration
			ok   bool
		}{{0, true}, {11*time.Minute - time.Millisecond, true}, {time.Millisecond, false}} {
			time.Sleep(step.wait)
			if got := post(token); got != step.ok {
				t.Errorf("after %v more: %v, want %v", step.wait, got, step.ok)
			}
		}

		if !post(long) {
			t.Error("the long token does not count")
		}
		time.Sleep(time.Hour)
		if post(long) {
			t.Error("a remembered token outlived the cookie beside it")
		}
	})
}

// I7: a cached token is valid only together with the same value that it was first
// presented with.
func TestI7RememberedPair(t *testing.T) {
	s := newSite(t, middleware.Options{})
	a := s.sign("ann")
	_, id := s.admit(request("GET", "/", withCookie(a)))
	token := "Mirage-Link: " + id.LinkToken(cid, 7, time.Minute)
	b, forged := s.sign("ann"), a[:len(a)-4]+"AAAA"

	for _, step := range []struct {
		name, target string
		value        string
		want         bool
	}{
		{"first", "/", a, true},
		{"remembered", "/", a, true},
		{"a newer value of the id", "/", b, true},
		{"forged", "/", forged, false},
		{"another id", "/", s.sign("bob"), false},
		{"the cookie's text as query", "/?_mirage=" + b, "", false},
		{"beside a bad query", "/?_mirage=~x", a, true},
		{"the same, forged", "/?_mirage=~x", forged, false},
		{"again", "/", a, true},
	} {
		_, v, _ := s.do(request("POST", step.target, withCookie(step.value), token))
		if got := v.refusal == nil; got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

// I7: a link token is only for the transports. The application's own routes ignore it,
// because it would bypass Validate and Revoke.
func TestI7TokenIsForTransports(t *testing.T) {
	f := newFake()
	s := newSite(t, middleware.Options{Sessions: f})
	c := s.sign("ann")
	_, id := s.admit(request("GET", "/", withCookie(c)))
	token := "Mirage-Link: " + id.LinkToken(cid, 7, time.Minute)
	f.Revoke(t.Context(), "ann")
	if _, v, reached := s.do(request("POST", "/transfer", withCookie(c), token)); !reached || v.ok || v.Link != 7 {
		t.Errorf("reached %v, FromContext %v, Require %+v", reached, v.ok, v.Identity)
	}
	if _, v, _ := s.do(request("POST", "/transfer", withCookie(c))); v.ID == "ann" || statusOf(v.refusal) != 410 {
		t.Errorf("without the token: %+v, %v", v.Identity, v.refusal)
	}
}

// I7: the longest ids, readers and numbers still fit into a token. If the reader is too
// long, there is no token.
func TestI7LongestToken(t *testing.T) {
	s := newSite(t, middleware.Options{})
	c := s.sign(strings.Repeat("x", 128))
	_, id := s.admit(request("GET", "/", withCookie(c)))
	reader := strings.Repeat("r", 64)
	token := id.LinkToken(reader, math.MaxUint64, 100*365*24*time.Hour)
	_, v, _ := s.do(request("POST", "/", withCookie(c), "Mirage-Link: "+token))
	if v.Reader != reader || v.Link != math.MaxUint64 {
		t.Errorf("token %q: %+v", token, v)
	}
	if token := id.LinkToken(reader+"r", 1, time.Minute); token != "" {
		t.Errorf("token %q", token)
	}
}
