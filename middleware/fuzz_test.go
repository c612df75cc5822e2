package middleware_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/middleware"
)

// In the fuzzed texts ANN stands for the signed value of ann, TOKEN for a link token of
// ann: the fuzzer's processes each sign their own.

// I2: for any query and cookie, only an id that we signed is recognised. Everything else
// gets a new id.
func FuzzIdentity(f *testing.F) {
	s := newSite(f, middleware.Options{})
	ann := s.sign("ann")
	for _, q := range []string{"", "~", "ANN", "~ANN", "~xANN", "~ANN=", "\x00", "ann", "~ANN~ANN"} {
		f.Add(q, "ANN")
		f.Add(q, "")
		f.Add(q, q)
	}
	f.Fuzz(func(t *testing.T, query, cookie string) {
		s := newSite(t, middleware.Options{Codec: s.codec})
		r := request("GET", "/?_mirage="+url.QueryEscape(strings.ReplaceAll(query, "ANN", ann)))
		r.Header.Set("Cookie", cookieName+"="+strings.ReplaceAll(cookie, "ANN", ann))
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		id := s.visits[0].Identity
		if w.Code != 200 || id.ID != "ann" && len(id.ID) != 16 || id.Previous != "" {
			t.Errorf("status %d, %+v", w.Code, id)
		}
		if id.ID == "ann" && !strings.Contains(query+cookie, "ANN") {
			t.Errorf("%q, %q is ann", query, cookie)
		}
	})
}

// I7: only a text that we signed is a link token, whatever id is presented with it.
func FuzzLinkToken(f *testing.F) {
	s := newSite(f, middleware.Options{})
	ann := s.sign("ann")
	_, id := s.admit(request("GET", "/", withCookie(ann)))
	good := id.LinkToken(cid, 7, time.Hour)
	for _, seed := range []string{"", "TOKEN", "xTOKEN", "TOKEN=", "ANN", "~ANN", strings.Repeat("A", 600)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		s := newSite(t, middleware.Options{Codec: s.codec})
		r := request("POST", "/", withCookie(ann))
		r.Header["Mirage-Link"] = []string{strings.NewReplacer("ANN", ann, "TOKEN", good).Replace(token)}
		s.handler.ServeHTTP(httptest.NewRecorder(), r)
		v := s.visits[0]
		if v.refusal == nil && (v.ID != "ann" || v.Link != 7 || v.Reader != cid || !strings.Contains(token, "TOKEN")) {
			t.Errorf("%q is %+v", token, v.Identity)
		}
	})
}
