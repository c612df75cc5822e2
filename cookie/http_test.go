package cookie_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
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

// I2, I8, pitfall 9: the cookie that verifies counts, wherever it stands; two different ids are tossing.
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
			id, signed, renew, ok := c.Read(withCookies(test.values...))
			if id != test.want || ok != (test.want != "") || renew || ok == signed.IsZero() {
				t.Errorf("%q, %v, renew %v, ok %v; want %q", id, signed, renew, ok, test.want)
			}
			if n := len(c.Values(withCookies(test.values...))); n > 16 {
				t.Errorf("%d values", n)
			}
		})
	}
}

// I8: renewed when a quarter of its age is used, and when the key is no longer the first. The newest of several counts.
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
			if _, signed, renew, ok := c.Read(withCookies(old)); !ok || renew != step.renew || !signed.Equal(first) {
				t.Errorf("after %v: renew %v, ok %v, want renew %v", time.Since(first), renew, ok, step.renew)
			}
		}
		young, _ := c.Sign(cookie.ID, "ann")
		for _, values := range [][]string{{old, young}, {young, old}} {
			if _, signed, renew, ok := c.Read(withCookies(values...)); !ok || renew || !signed.Equal(time.Now()) {
				t.Errorf("of an old and a young value: signed %v, renew %v, ok %v", signed, renew, ok)
			}
		}
		rotated := newCodec(t, cookie.Options{}, key('n'), key('k'))
		if _, _, renew, ok := rotated.Read(withCookies(young)); !ok || !renew {
			t.Errorf("signed by the second key: renew %v, ok %v", renew, ok)
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

func FuzzRead(f *testing.F) {
	c := newCodec(f, cookie.Options{})
	signed, _ := c.Sign(cookie.ID, "ann")
	for _, s := range []string{"", "__Host-mirage=" + signed, "__Host-mirage=x; __Host-mirage=" + signed, `__Host-mirage="` + signed + `"`, ";;=;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if id, _, _, ok := c.Read(&http.Request{Header: http.Header{"Cookie": {line}}}); ok && id != "ann" {
			t.Errorf("%q reads as %q", line, id)
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

// Changing keys: the new one signs, the old one still verifies, and Read says that the cookie is due for the new key.
func ExampleNew_rotation() {
	old, young := []byte("the key that is to go, 32 bytes.."), []byte("the key that is to come, 32 bytes")
	before, _ := cookie.New(cookie.Options{}, old)
	after, _ := cookie.New(cookie.Options{}, young, old)

	signed, _ := before.Sign(cookie.ID, "ann")
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-mirage", Value: signed})
	id, _, renew, ok := after.Read(r)
	fmt.Println(id, renew, ok)
	// Output: ann true true
}
