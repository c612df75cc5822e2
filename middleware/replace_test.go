package middleware_test

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// I6: the application sees only the new id, the client learns both, the session moves,
// and the values handed out are for the new id.
func TestI6Replaced(t *testing.T) {
	f := newFake()
	var asked []string
	s := newSite(t, middleware.Options{Sessions: f, Validate: func(_ *http.Request, id string) (string, error) {
		asked = append(asked, id)
		return strings.Replace(id, "old", "new", 1), nil
	}})

	for name, test := range map[string]struct {
		request *http.Request
		cookie  bool
	}{
		"cookie":          {request("GET", "/", withCookie(s.sign("old1"))), true},
		"cookie that ask": {request("GET", "/?_mirage=", withCookie(s.sign("old2"))), true},
		"query":           {request("GET", "/?_mirage=~"+s.sign("old3"), withCookie(s.sign("other"))), false},
	} {
		res, id := s.admit(test.request)
		if !strings.HasPrefix(id.ID, "new") || id.Previous != strings.Replace(id.ID, "new", "old", 1) {
			t.Errorf("%s: %+v", name, id)
		}
		got, _, err := s.codec.Verify(cookie.ID, cookieOf(res))
		if test.cookie && (err != nil || got != id.ID) || !test.cookie && cookieOf(res) != "" {
			t.Errorf("%s: the cookie is for %q, %v", name, got, err)
		}
		if got, err := verify(s.codec, id.Signed); strings.Contains(name, "query") && (err != nil || got != id.ID) {
			t.Errorf("%s: Signed is for %q, %v", name, got, err)
		}
	}

	if s.count("replaced") != 3 || len(f.moves) != 3 {
		t.Errorf("counted %d, moves %q", s.count("replaced"), f.moves)
	}

	// The same id again is no replacement.
	asked = nil
	res, id := s.admit(request("GET", "/", withCookie(s.sign("new1"))))
	if id.Previous != "" || cookieOf(res) != "" || len(f.moves) != 3 {
		t.Errorf("%+v, moves %q, asked %q", id, f.moves, asked)
	}
}

// I6: the response was lost, and the client presents the old value again: it is led to
// the new id, and Validate is called for that one. No other client is led to it, and no
// plain client either.
func TestI6AnswerLost(t *testing.T) {
	f := newFake()
	var asked []string
	s := newSite(t, middleware.Options{Sessions: f, Validate: func(_ *http.Request, id string) (string, error) {
		asked = append(asked, id)
		if id == "old" {
			return "new", nil
		}
		return "", nil
	}})

	old, same := s.sign("old"), "/?_cid="+cid
	for name, first := range map[string][]string{
		"client with _cid":                 {"/?_cid=" + cid, "X-Nothing: 1"},
		"client with _cid and credentials": {"/?_cid=" + cid, "Authorization: basic"},
	} {
		*f = *newFake()
		s.admit(request("GET", first[0], withCookie(old), first[1]))
		asked = nil
		res, id := s.admit(request("GET", first[0], withCookie(old), first[1]))
		if id.ID != "new" || id.Previous != "old" || cookieOf(res) == "" ||
			!cmp.Equal(asked, []string{"new"}) || len(f.moves) != 1 {
			t.Errorf("%s: %+v, asked %q, moves %q, cookie %q", name, id, asked, f.moves, cookieOf(res))
		}

		for other, r := range map[string]*http.Request{
			"another _cid":                         request("GET", "/?_cid=x"+cid, withCookie(old), first[1]),
			"the same _cid with other credentials": request("GET", same, withCookie(old), "Authorization: other"),
			"the same _cid with other cookies":     request("GET", same, withCookie(old), "Cookie: a=1", first[1]),

			"a plain client":      request("GET", "/", withCookie(old), first[1]),
			"other credentials":   request("GET", "/", withCookie(old), "Authorization: other"),
			"other cookies":       request("GET", "/", withCookie(old), "Cookie: a=1", "Authorization: basic"),
			"without credentials": request("GET", "/", withCookie(old)),
		} {
			asked = nil
			if s.admit(r); !cmp.Equal(asked, []string{"old"}) {
				t.Errorf("%s: %s was led to %q", name, other, asked)
			}
		}
	}
}

// I6: an id that was moved is replaced again: the session moves on from its current name,
// and the client is told the name that it knows as the previous one.
func TestI6Twice(t *testing.T) {
	f := newFake()
	s := newSite(t, middleware.Options{
		Sessions: f,
		Validate: func(*http.Request, string) (string, error) { return "new", nil },
	})
	signed := s.sign("old")
	r := func() *http.Request { return request("GET", "/?_cid="+cid, withCookie(signed)) }
	s.admit(r())
	f.names["old"], f.moves = "mid", nil
	_, id := s.admit(r())
	if id.ID != "new" || id.Previous != "old" || !cmp.Equal(f.moves, []string{"mid>new"}) {
		t.Errorf("%+v, moves %q", id, f.moves)
	}
}

// I6: two parallel requests of one client are both replaced. The second one finds that
// the session was moved while its hook ran.
func TestI6Parallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newSite(t, middleware.Options{Sessions: f, Validate: func(*http.Request, string) (string, error) {
			time.Sleep(time.Second)
			return "new", nil
		}})
		signed := s.sign("old")
		r := func() *http.Request { return request("GET", "/?_cid="+cid, withCookie(signed)) }
		go s.handler.ServeHTTP(newRecorder(), r())
		time.Sleep(time.Millisecond)
		if _, id := s.admit(r()); id.ID != "new" || id.Previous != "old" || len(f.moves) != 1 {
			t.Errorf("%+v, moves %q", id, f.moves)
		}
	})
}

// I5: if the session layer fails or is slow, the request fails. It is not refused and
// gets no new id, so nobody loses a session.
func TestI5SessionsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newSite(t, middleware.Options{Sessions: f, Logger: slog.New(slog.DiscardHandler),
			Validate: func(_ *http.Request, id string) (string, error) { return "new", nil }})
		f.err = errors.New("redis: connection refused")
		s.refuse(request("GET", "/", withCookie(s.sign("ann"))), 503)
		f.wait = true
		_, reason := s.refuse(request("GET", "/", withCookie(s.sign("ann"))), 503)
		if reason != "failed to resolve the id in a timely manner" {
			t.Errorf("reason %q", reason)
		}
	})
}

// I11: values that were signed before Revoke are invalid, however they are presented.
// Links get 410 and no cookie. Routes of the application treat the value as absent.
// Values signed afterwards are valid.
func TestI11Revoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := newSite(t, middleware.Options{Sessions: f})
		old := s.sign("ann")
		time.Sleep(time.Second)
		f.Revoke(t.Context(), "ann")
		time.Sleep(time.Nanosecond)
		young := s.sign("ann")

		ws := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"}
		form := []string{"Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-origin"}
		for name, r := range map[string]*http.Request{
			"stream":    request("GET", "/?_cid="+cid, withCookie(old), "Accept: text/event-stream"),
			"poll":      request("GET", "/?_wait=25&_cid="+cid, withCookie(old)),
			"WebSocket": request("GET", "/?_cid="+cid, append(ws, withCookie(old))...),
			"asking":    request("GET", "/?_mirage=&_cid="+cid, withCookie(old)),
			"query":     request("GET", "/?_cid="+cid+"&_mirage=~"+old),
		} {
			if _, reason := s.refuse(r, 410); reason != "the id was revoked" {
				t.Errorf("%s: reason %q", name, reason)
			}
		}

		for name, test := range map[string]struct {
			r      *http.Request
			cookie bool
		}{
			"fetch":       {request("GET", "/", withCookie(old)), true},
			"EventSource": {request("GET", "/", withCookie(old), "Accept: text/event-stream"), true},
			"POST":        {request("POST", "/", withCookie(old)), true},
			"form":        {request("POST", "/", append(form, withCookie(old))...), true},
			"WebSocket":   {request("GET", "/", append(ws, withCookie(old))...), true},
			"navigation":  {request("GET", "/", withCookie(old), "Accept: text/html"), true},
			"query":       {request("GET", "/?_mirage=~"+old), false},
		} {
			res, v, _ := s.do(test.r)
			if !v.ok || v.ID == "ann" || v.Previous != "" {
				t.Errorf("%s: the application sees %+v", name, v)
			}
			if statusOf(v.refusal) != 410 {
				t.Errorf("%s: a transport answers %v", name, v.refusal)
			}
			got, _, err := s.codec.Verify(cookie.ID, cookieOf(res))
			if test.cookie && (err != nil || got == "ann") || !test.cookie && got != "" {
				t.Errorf("%s: the cookie is for %q, %v", name, got, err)
			}
		}

		if _, id := s.admit(request("GET", "/", withCookie(young))); id.ID != "ann" {
			t.Errorf("signed afterwards: %+v", id)
		}
	})
}

// I11: an id that is revoked while its hook runs is not let in.
func TestI11RevokedMeanwhile(t *testing.T) {
	f := newFake()
	s := newSite(t, middleware.Options{Sessions: f, Validate: func(r *http.Request, id string) (string, error) {
		return "", f.Revoke(r.Context(), id)
	}})
	s.refuse(request("GET", "/?_cid="+cid, withCookie(s.sign("ann"))), 410)
}

// I2: with AcceptUnsigned, Validate decides about any id in the query that is well
// formed. A signed one stays signed.
func TestI2Unsigned(t *testing.T) {
	var asked []string
	s := newSite(t, middleware.Options{
		AcceptUnsigned: true,
		Sessions:       newFake(),
		Validate: func(_ *http.Request, id string) (string, error) {
			asked = append(asked, id)
			if id != "ann" {
				return "", errors.New("who?")
			}
			return "", nil
		},
	})

	res, id := s.admit(request("GET", "/?_mirage=ann", withCookie(s.sign("other"))))
	if id.ID != "ann" || cookieOf(res) != "" {
		t.Errorf("%+v, cookie %q", id, cookieOf(res))
	}
	if got, err := verify(s.codec, id.Signed); err != nil || got != "ann" {
		t.Errorf("Signed is for %q, %v", got, err)
	}

	s.refuse(request("GET", "/?_mirage=eve"), 403)
	asked = nil
	s.admit(request("GET", "/?_mirage=<script>")) // no id at all: as if absent
	s.admit(request("GET", "/?_mirage="+strings.Repeat("x", 129)))
	s.admit(request("GET", "/?_mirage=~ann")) // looks signed, does not verify
	s.admit(request("GET", "/?_mirage=ann", "Accept: text/html"))
	if asked != nil {
		t.Errorf("asked about %q", asked)
	}
}
