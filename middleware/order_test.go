package middleware_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// I4: the default id is that of the original Mirage, 8 random bytes in hex. IDBytes makes
// it longer.
func TestI4DefaultID(t *testing.T) {
	for bytes, want := range map[int]string{0: `^[0-9a-f]{16}$`, 16: `^[0-9a-f]{32}$`, 64: `^[0-9a-f]{128}$`} {
		s := newSite(t, middleware.Options{IDBytes: bytes})
		_, a := s.admit(request("GET", "/"))
		_, b := s.admit(request("GET", "/"))
		if !regexp.MustCompile(want).MatchString(a.ID) || a.ID == b.ID {
			t.Errorf("IDBytes %d: ids %q and %q, want two different ones of %s", bytes, a.ID, b.ID, want)
		}
	}
}

// I1: query, then cookie, then nothing. The first that verifies decides, and an id from
// the query does not change the cookie.
func TestI1Order(t *testing.T) {
	s := newSite(t, middleware.Options{})
	q, c := s.sign("query-id"), s.sign("cookie-id")
	forged, long := strings.Repeat("A", 100), strings.Repeat("x", 100_000)
	link, _ := s.codec.Sign(cookie.Link, "query-id")

	tests := map[string]struct {
		target, cookie string
		want           string // "" means a new id
		set            bool   // a cookie is set
		counted        string
	}{
		"nothing":                      {"/", "", "", true, ""},
		"cookie":                       {"/", c, "cookie-id", false, ""},
		"query":                        {"/?_mirage=~" + q, "", "query-id", false, ""},
		"query beats cookie":           {"/?_mirage=~" + q, c, "query-id", false, ""},
		"empty query, cookie":          {"/?_mirage=", c, "cookie-id", false, ""}, // gets what it presented
		"empty query, nothing":         {"/?_mirage", "", "", true, ""},
		"forged query, cookie":         {"/?_mirage=~" + forged, c, "cookie-id", false, "invalid-query"},
		"forged query":                 {"/?_mirage=~" + forged, "", "", true, "invalid-query"},
		"forged cookie":                {"/", forged, "", true, "invalid-cookie"},
		"query, forged cookie":         {"/?_mirage=~" + q, forged, "query-id", false, ""},
		"unsigned query":               {"/?_mirage=query-id", c, "cookie-id", false, "invalid-query"},
		"signed without ~":             {"/?_mirage=" + q, c, "cookie-id", false, "invalid-query"},
		"link token as id":             {"/?_mirage=~" + link, c, "cookie-id", false, "invalid-query"},
		"query twice, alike":           {"/?_mirage=~" + q + "&_mirage=~" + q, c, "query-id", false, ""},
		"query twice, conflicting":     {"/?_mirage=~" + q + "&_mirage=~" + c, "", "", true, "invalid-query"},
		"query twice, one empty":       {"/?_mirage=&_mirage=~" + q, "", "", true, "invalid-query"},
		"query with bad escape":        {"/?_mirage=%zz", c, "cookie-id", false, "invalid-query"},
		"query escaped":                {"/?_mirage=%7E" + q, "", "query-id", false, ""},
		"100 KB query":                 {"/?_mirage=~" + long, c, "cookie-id", false, "invalid-query"},
		"another key that looks alike": {"/?x_mirage=~" + q, c, "cookie-id", false, ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := request("GET", test.target)
			if test.cookie != "" {
				r.Header.Set("Cookie", cookieName+"="+test.cookie)
			}

			before := s.count(test.counted)
			res, id := s.admit(r)
			if test.want != "" && id.ID != test.want || test.want == "" && len(id.ID) != 16 {
				t.Errorf("id %q, want %q", id.ID, test.want)
			}
			if set := cookieOf(res) != ""; set != test.set {
				t.Errorf("cookie set: %v, want %v", set, test.set)
			}
			if test.counted != "" && s.count(test.counted) != before+1 {
				t.Errorf("%s was not counted", test.counted)
			}

			asks := strings.Contains(test.target, "?_mirage")
			got, err := verify(s.codec, id.Signed)
			if asks && (err != nil || got != id.ID) || !asks && id.Signed != "" {
				t.Errorf("Signed %q is for %q, %v; want %q: %v", id.Signed, got, err, id.ID, asks)
			}
			if res.StatusCode != http.StatusOK || id.Previous != "" {
				t.Errorf("status %d, previous %q", res.StatusCode, id.Previous)
			}
		})
	}
}

func verify(c *cookie.Codec, signed string) (string, error) {
	id, _, err := c.Verify(cookie.ID, strings.TrimPrefix(signed, "~"))
	return id, err
}
