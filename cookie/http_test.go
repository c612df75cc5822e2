package cookie_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
)

func withCookies(values ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, v := range values {
		r.Header.Add("Cookie", "other=1; __Host-mirage="+v)
	}
	return r
}

// I2, I8: the cookie that verifies counts, at any place in the header. Two different ids
// are cookie tossing.
func TestI8Read(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	ann, _ := c.Sign(cookie.ID, "ann")
	again, _ := c.Sign(cookie.ID, "ann")
	bob, _ := c.Sign(cookie.ID, "bob")
	link, _ := c.Sign(cookie.Link, "ann")
	many := strings.Split(strings.Repeat("forged,", 9), ",")[:9]

	tests := map[string]struct {
		values []string
		want   string // "" means none
	}{
		"none":                          {nil, ""},
		"one":                           {[]string{ann}, "ann"},
		"quoted":                        {[]string{`"` + ann + `"`}, "ann"},
		"empty":                         {[]string{""}, ""},
		"forged before it":              {[]string{"forged", ann}, "ann"},
		"forged behind it":              {[]string{ann, "forged"}, "ann"},
		"nine forged before it":         {append(many, ann), "ann"},
		"twice the same id":             {[]string{ann, again}, "ann"},
		"two ids: tossing":              {[]string{ann, bob}, ""},
		"two ids and a forgery between": {[]string{ann, "forged", bob}, ""},
		"tossing, then the first again": {[]string{ann, bob, ann}, ""},
		"a link token":                  {[]string{link}, ""},
		"behind sixteen":                {append(strings.Split(strings.Repeat("x,", 16), ",")[:16], ann), ""},
		"3001 cookies":                  {strings.Split(strings.Repeat("x,", 3001), ",")[:3001], ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, ok := c.Read(withCookies(test.values...))
			if p.ID != test.want || p.Renew ||
				ok != (test.want != "") || ok == p.Signed.IsZero() || ok == (p.Value == "") {
				t.Errorf("%+v, ok %v; want %q", p, ok, test.want)
			}
			if n := len(c.Values(withCookies(test.values...))); n > 16 {
				t.Errorf("%d values", n)
			}
		})
	}
}

// I8: a cookie is renewed when a quarter of its age has passed, and when its key is no
// longer the first. The newest of several counts.
func TestI8Renew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCodec(t, cookie.Options{MaxAge: 4 * time.Hour})
		old, _ := c.Sign(cookie.ID, "ann")
		first := time.Now()

		for _, step := range []struct {
			wait  time.Duration
			renew bool
		}{{0, false}, {time.Hour, false}, {time.Nanosecond, true}} {
			time.Sleep(step.wait)
			if p, ok := c.Read(withCookies(old)); !ok || p.Renew != step.renew || !p.Signed.Equal(first) {
				t.Errorf("after %v: %+v, ok %v, want renew %v", time.Since(first), p, ok, step.renew)
			}
		}

		young, _ := c.Sign(cookie.ID, "ann")
		for _, values := range [][]string{{old, young}, {young, old}} {
			p, ok := c.Read(withCookies(values...))
			if !ok || p.Renew || !p.Signed.Equal(time.Now()) || p.Value != young {
				t.Errorf("of an old and a young value: %+v, ok %v", p, ok)
			}
		}

		rotated := newCodec(t, cookie.Options{}, key('n'), key('k'))
		if p, ok := rotated.Read(withCookies(young)); !ok || !p.Renew {
			t.Errorf("signed by the second key: %+v, ok %v", p, ok)
		}
	})
}

// I8: Set replaces an earlier cookie of ours and nothing else.
func TestI8Set(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	h := http.Header{"Set-Cookie": {"session=1"}, "Cache-Control": {"no-store"}}
	for _, id := range []string{"ann", "bob"} {
		if _, err := c.Set(h, id); err != nil {
			t.Fatal(err)
		}
	}
	cookies := (&http.Response{Header: h}).Cookies()
	if len(cookies) != 2 || cookies[0].Name != "session" || h.Get("Cache-Control") != "no-store" {
		t.Fatalf("%v", h)
	}
	if id, _, err := c.Verify(cookie.ID, cookies[1].Value); err != nil || id != "bob" {
		t.Errorf("the cookie is of %q, %v", id, err)
	}
	empty := http.Header{}
	if _, err := c.Set(empty, strings.Repeat("x", 500)); err == nil || len(empty) != 0 {
		t.Errorf("an id that is too long: %v, %v", err, empty)
	}
	c.Set(empty, "ann")
	if got := empty.Get("Cache-Control"); got != "private" {
		t.Errorf("Cache-Control %q: a shared cache would hand the id to others", got)
	}
}

// I8, I11: after any two of Put, Expire and Withdraw, h has our cookie as the second one
// left it. Other cookies keep their order, and a Cache-Control is unchanged.
func TestI8PutExpireWithdraw(t *testing.T) {
	c := newCodec(t, cookie.Options{})
	steps := []struct {
		name string
		do   func(http.Header)
		want string // the value of our cookie; "none" means no cookie
	}{
		{"put", func(h http.Header) { c.Put(h, "signed") }, "signed"},
		{"expire", c.Expire, ""},
		{"withdraw", c.Withdraw, "none"},
	}
	others := []string{"session=1", "mirage=2", "__Host-mirage-8080=3", "x__Host-mirage=4"}
	for _, first := range steps {
		for _, then := range steps {
			for _, control := range []string{"", "no-store"} {
				h := http.Header{"Set-Cookie": slices.Clone(others[:2])}
				if control != "" {
					h.Set("Cache-Control", control)
				}
				first.do(h)
				h["Set-Cookie"] = append(h["Set-Cookie"], others[2:]...)
				then.do(h)

				ours, rest := "none", []string(nil)
				for _, line := range h["Set-Cookie"] {
					set, err := http.ParseSetCookie(line)
					if err != nil {
						t.Fatal(err)
					}
					if set.Name == "__Host-mirage" {
						ours = set.Value
					} else {
						rest = append(rest, line)
					}
				}
				if ours != then.want || !slices.Equal(rest, others) {
					t.Errorf("%s, %s: %q", first.name, then.name, h["Set-Cookie"])
				}
				if control == "" && first.name+then.name != "withdrawwithdraw" {
					control = "private" // a shared cache would give the id, or its deletion, to others
				}
				if got := h.Get("Cache-Control"); got != control {
					t.Errorf("%s, %s: Cache-Control %q, want %q", first.name, then.name, got, control)
				}
			}
		}
	}

	h := http.Header{}
	c.Put(h, "signed")
	if c.Withdraw(h); len(h["Set-Cookie"]) != 0 {
		t.Errorf("withdrawn: %v", h)
	}
	if _, ok := h["Set-Cookie"]; ok {
		t.Error("Withdraw leaves an empty header field")
	}
}

// I11: for a browser the cookie of Expire is the same as that of Set, so it is deleted.
// The jar identifies cookies as RFC 6265 does.
func TestI11ExpireInAJar(t *testing.T) {
	for name, o := range map[string]cookie.Options{
		"default": {}, "named": {Name: "chat"}, "insecure": {Insecure: true}, "embedded": {Embedded: true},
	} {
		c := newCodec(t, o)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		at := &url.URL{Scheme: "https", Host: "example.com", Path: "/a/b"}
		receive := func(h http.Header) { jar.SetCookies(at, (&http.Response{Header: h}).Cookies()) }
		set, gone := http.Header{}, http.Header{}
		if _, err := c.Set(set, "ann"); err != nil {
			t.Fatal(err)
		}
		c.Expire(gone)
		receive(set)
		if len(jar.Cookies(at)) != 1 {
			t.Fatalf("%s: the jar has %v", name, jar.Cookies(at))
		}
		if receive(gone); len(jar.Cookies(at)) != 0 {
			t.Errorf("%s: after Expire the jar has %v", name, jar.Cookies(at))
		}
	}
}

// I8: two programs on one host that differ only in Name keep separate cookies: a browser
// sends both to both.
func TestI8TwoNames(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		one := newCodec(t, cookie.Options{Name: "mirage-8080", Insecure: insecure}, key('1'))
		two := newCodec(t, cookie.Options{Name: "mirage-8081", Insecure: insecure}, key('2'))

		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		for id, c := range map[string]*cookie.Codec{"ann": one, "bob": two} {
			h := http.Header{}
			if _, err := c.Set(h, id); err != nil {
				t.Fatal(err)
			}
			jar.SetCookies(&url.URL{Scheme: "https", Host: "localhost"}, (&http.Response{Header: h}).Cookies())
		}

		r := httptest.NewRequest("GET", "https://localhost/", nil)
		for _, cookie := range jar.Cookies(r.URL) {
			r.AddCookie(cookie)
		}

		for id, c := range map[string]*cookie.Codec{"ann": one, "bob": two} {
			if p, ok := c.Read(r); !ok || p.ID != id || len(c.Values(r)) != 1 {
				t.Errorf("insecure %v: %+v, ok %v, %d values; want %q", insecure, p, ok, len(c.Values(r)), id)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	c := newCodec(f, cookie.Options{})
	signed, _ := c.Sign(cookie.ID, "ann")
	for _, s := range []string{
		"", "__Host-mirage=" + signed, "__Host-mirage=x; __Host-mirage=" + signed,
		`__Host-mirage="` + signed + `"`, ";;=;",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p, ok := c.Read(&http.Request{Header: http.Header{"Cookie": {line}}})
		if ok != (p.ID == "ann") || !ok && p != (cookie.Presented{}) {
			t.Errorf("%q reads as %+v, ok %v", line, p, ok)
		}
		id, signed, err := c.Verify(cookie.ID, p.Value)
		if ok && (err != nil || id != p.ID || !signed.Equal(p.Signed)) {
			t.Errorf("%q reads as %+v, whose value is of %q, %v, %v", line, p, id, signed, err)
		}
	})
}

func Example() {
	key := []byte("32 bytes of crypto/rand, not this")
	codec, err := cookie.New(cookie.Options{}, key)
	if err != nil {
		panic(err)
	}
	signed, _ := codec.Sign(cookie.ID, "ann")

	id, _, err := codec.Verify(cookie.ID, signed)
	fmt.Println(id, err)
	_, _, err = codec.Verify(cookie.Link, signed) // signed for something else
	fmt.Println(err)
	// Output:
	// ann <nil>
	// cookie: the value does not verify
}

// Changing keys: the new one signs, the old one still verifies, and Read reports that the
// cookie is due for renewal with the new key.
func ExampleNew_rotation() {
	old, young := []byte("the key that is to go, 32 bytes.."), []byte("the key that is to come, 32 bytes")
	before, _ := cookie.New(cookie.Options{}, old)
	after, _ := cookie.New(cookie.Options{}, young, old)

	signed, _ := before.Sign(cookie.ID, "ann")
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-mirage", Value: signed})
	p, ok := after.Read(r)
	fmt.Println(p.ID, p.Renew, ok)
	// Output: ann true true
}
