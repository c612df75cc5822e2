package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A visitor acts as a browser.
type visitor struct {
	t    *testing.T
	base string
	http http.Client
}

func newVisitor(t *testing.T, base string) *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{t, base, http.Client{Jar: jar}}
}

// seen is the content of the page.
type seen struct{ id, previous, name string }

func (v *visitor) read(res *http.Response, err error) seen {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s", res.Status, b)
	}
	find := func(id string) string {
		if m := regexp.MustCompile(`id="` + id + `">([^<]*)<`).FindSubmatch(b); m != nil {
			return string(m[1])
		}
		return ""
	}
	return seen{find("id"), find("previous"), find("name")}
}

func (v *visitor) open() seen { return v.read(v.http.Get(v.base)) }

func (v *visitor) press(button string) seen {
	return v.read(v.http.Post(v.base+button, "application/x-www-form-urlencoded",
		strings.NewReader(url.Values{"name": {"Ann"}}.Encode())))
}

func TestVisit(t *testing.T) {
	s, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	ann, bob := newVisitor(t, server.URL), newVisitor(t, server.URL)

	first := ann.open()
	if first.id == "" || first.name != "" || ann.open() != first || bob.open().id == first.id {
		t.Fatalf("a stranger: %+v, after a refresh %+v", first, ann.open())
	}
	in := ann.press("/login")
	if in.name != "Ann" || in.id == first.id || ann.open() != in {
		t.Fatalf("logged in: %+v", in)
	}
	for range 3 { // the cookie is signed again with each new key, so older keys may go
		if got := ann.press("/key"); got != in {
			t.Fatalf("after a change of keys: %+v, want %+v", got, in)
		}
	}
	if got := ann.press("/forge"); got.name != "" || got.id == in.id || got.id == first.id {
		t.Errorf("with a forged cookie: %+v", got)
	}
	in = ann.press("/login")
	closed := ann.press("/close")
	if closed.id == in.id || closed.previous != in.id || closed.name != "" {
		t.Errorf("account closed: %+v", closed)
	}
	if got := ann.open(); got.id != closed.id || got.previous != "" {
		t.Errorf("and then: %+v", got)
	}
	in = ann.press("/login")
	if out := ann.press("/logout"); out.id == in.id || out.name != "" {
		t.Errorf("logged out: %+v", out)
	}
}

// A page of another site cannot press a button here.
func TestForeignPage(t *testing.T) {
	s, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/login", nil)
	r.Header.Set("Origin", "https://evil.example")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(w.Result().Cookies()) != 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
