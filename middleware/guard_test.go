package middleware_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// pairs returns the cookies of a response as a browser sends them.
func pairs(res *http.Response) (all []string) {
	for _, c := range res.Cookies() {
		all = append(all, c.Name+"="+c.Value)
	}
	return all
}

const stream = "Accept: text/event-stream"

// house is a site with pages behind Identify and a link behind Guard, with or without
// Identify around everything. It counts the calls of the hooks.
type house struct {
	mw                  *middleware.Middleware
	handler             http.Handler
	generated, asked    int
	atPage, atLink      middleware.Identity
	refusedAtLink       error
	answer              string // of Validate
	err                 error
	reachedLink, linkOK bool
}

func newHouse(t *testing.T, o middleware.Options, everywhere bool) *house {
	t.Helper()
	s := &house{}
	if o.Codec == nil {
		o.Codec = newCodec(t, cookie.Options{MaxAge: time.Hour})
	}

	o.Generate = func(*http.Request) (string, error) {
		s.generated++
		return "new-" + strings.Repeat("i", s.generated), nil
	}
	o.Validate = func(*http.Request, string) (string, error) { s.asked++; return s.answer, s.err }

	s.mw = middleware.New(o)
	mux := http.NewServeMux()
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.atPage, _ = middleware.FromContext(r.Context())
	})
	mux.Handle("/live", s.mw.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reachedLink = true
		s.atLink, s.linkOK = middleware.FromContext(r.Context())
		var id middleware.Identity
		if id, s.refusedAtLink = middleware.Require(w, r); s.refusedAtLink == nil {
			s.atLink = id
			id.Grant(w)
		}
	})))

	mux.Handle("/", s.mw.Identify(page))
	s.handler = mux
	if everywhere {
		s.handler = s.mw.Identify(mux)
	}
	return s
}

func (s *house) do(r *http.Request) *http.Response {
	s.atPage, s.atLink, s.refusedAtLink, s.reachedLink = middleware.Identity{}, middleware.Identity{}, nil, false
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Result()
}

// H1: Identify calls no hook for an id that we signed. Guard does, once for each request,
// whatever wraps it. One request makes at most one id.
func TestH1TwoStrengths(t *testing.T) {
	for name, everywhere := range map[string]bool{"side by side": false, "Identify before everything": true} {
		t.Run(name, func(t *testing.T) {
			s := newHouse(t, middleware.Options{}, everywhere)
			first := s.do(request("GET", "/"))
			if s.generated != 1 || s.asked != 0 || s.atPage.ID != "new-i" {
				t.Fatalf("a first page: %d made, %d asked, id %q", s.generated, s.asked, s.atPage.ID)
			}
			c := withCookie(cookieOf(first))
			s.do(request("GET", "/", c))
			if s.asked != 0 || s.atPage.ID != "new-i" {
				t.Errorf("a page asked Validate %d times, id %q", s.asked, s.atPage.ID)
			}
			s.do(request("GET", "/live?_cid="+cid, c, stream))
			if s.generated != 1 || s.asked != 1 || s.atLink.ID != "new-i" {
				t.Errorf("a link: %d made, %d asked, id %q", s.generated, s.asked, s.atLink.ID)
			}
			res := s.do(request("GET", "/live?_cid="+cid, stream)) // without a page request first
			if s.generated != 2 || s.asked != 1 || s.atLink.ID != "new-ii" || len(res.Cookies()) != 1 {
				t.Errorf("a link as the first request: %d made, %d asked, id %q, cookies %v",
					s.generated, s.asked, s.atLink.ID, res.Cookies())
			}
		})
	}
}

// H1: behind Identify, the result of Guard replaces that of Identify: the id, the cookie
// and the signed value.
func TestH1GuardBehindIdentify(t *testing.T) {
	s := newHouse(t, middleware.Options{}, true)
	c := withCookie(cookieOf(s.do(request("GET", "/"))))

	s.answer = "user-42"
	res := s.do(request("GET", "/live?_mirage=&_cid="+cid, c, stream))
	if s.atLink.ID != "user-42" || s.atLink.Previous != "new-i" || !strings.HasPrefix(s.atLink.Signed, "~") {
		t.Errorf("replaced: %+v", s.atLink)
	}
	site := newSite(t, middleware.Options{Codec: newCodec(t, cookie.Options{MaxAge: time.Hour})})
	if _, got := site.admit(request("GET", "/", withCookie(cookieOf(res)))); got.ID != "user-42" {
		t.Errorf("the cookie is for %q", got.ID)
	}

	s.answer, s.err = "", errors.New("no")
	res = s.do(request("GET", "/live?_cid="+cid, c, stream))
	if res.StatusCode != 403 || s.reachedLink || len(res.Cookies()) != 0 {
		t.Errorf("refused: status %d, reached %v, cookies %v", res.StatusCode, s.reachedLink, res.Cookies())
	}
	if res := s.do(request("GET", "/", c)); res.StatusCode != 200 || s.atPage.ID != "new-i" {
		t.Errorf("a page locks %q out: %d", s.atPage.ID, res.StatusCode)
	}
}

// I15: a cookie that Identify was about to renew is not sent with the refusal of a link
// by Guard.
func TestI15RenewedThenRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newHouse(t, middleware.Options{}, true)
		c := withCookie(cookieOf(s.do(request("GET", "/"))))
		time.Sleep(30 * time.Minute) // a renewal is due
		if res := s.do(request("GET", "/", c)); len(res.Cookies()) != 1 {
			t.Fatal("no renewal was due")
		}
		s.err = errors.New("no")
		if res := s.do(request("GET", "/live?_cid="+cid, c, stream)); res.StatusCode != 403 || len(res.Cookies()) != 0 {
			t.Errorf("status %d, cookies %v", res.StatusCode, res.Cookies())
		}
	})
}

// I3: only Validate can vouch for an unsigned id, so Identify calls it, too, and Guard
// behind it does not call it again.
func TestI3UnsignedAtIdentify(t *testing.T) {
	s := newHouse(t, middleware.Options{AcceptUnsigned: true}, true)
	s.do(request("GET", "/live?_mirage=mine&_cid="+cid, stream))
	if s.asked != 1 || s.atLink.ID != "mine" {
		t.Errorf("asked %d times, id %q", s.asked, s.atLink.ID)
	}
	s.err = errors.New("no")
	if res := s.do(request("GET", "/?_mirage=mine")); res.StatusCode != 403 || s.atPage.ID != "" {
		t.Errorf("a page: status %d, id %q", res.StatusCode, s.atPage.ID)
	}
}

// I11: if an id is revoked between Identify and the link, the link is refused. A page
// continues with a new id, and its cookie is the one that is sent.
func TestI11RevokedBetween(t *testing.T) {
	f := newFake()
	s := newHouse(t, middleware.Options{Sessions: f}, true)
	c := withCookie(cookieOf(s.do(request("GET", "/"))))
	inner := s.handler
	s.handler = s.mw.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Microsecond) // the revocation must be later than the signature
		if err := f.Revoke(r.Context(), "new-i"); err != nil {
			t.Fatal(err)
		}
		inner.ServeHTTP(w, r)
	}))
	s.do(request("GET", "/live", c, stream))
	if statusOf(s.refusedAtLink) != 410 {
		t.Errorf("a plain link: %v, want 410", s.refusedAtLink)
	}
	if res := s.do(request("GET", "/live?_cid="+cid, c, stream)); statusOf(s.refusedAtLink) != 410 ||
		len(res.Cookies()) != 0 {
		t.Errorf("a link of ours: %v, want 410; cookies %v", s.refusedAtLink, res.Cookies())
	}
}

// H1: two programs on one host keep their ids apart: by the cookie's name, by the signed
// name, and if both wrap one route.
func TestH1TwoNames(t *testing.T) {
	a := middleware.New(middleware.Options{Codec: newCodec(t, cookie.Options{})})
	b := middleware.New(middleware.Options{Codec: newCodec(t, cookie.Options{Name: "admin"})})
	var ida, idb, inner middleware.Identity
	h := a.Identify(b.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner, _ = middleware.FromContext(r.Context())
		ida, _ = middleware.FromContext(a.Context(r.Context()))
		idb, _ = middleware.FromContext(b.Context(r.Context()))
		if r.URL.Path == "/login" {
			if _, err := middleware.Rotate(w, r.WithContext(a.Context(r.Context()))); err != nil {
				t.Error(err)
			}
		}
	})))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request("GET", "/"))
	if ida.ID == "" || idb.ID == "" || ida.ID == idb.ID || inner != idb || len(w.Result().Cookies()) != 2 {
		t.Fatalf("a %q, b %q, inner %q, cookies %v", ida.ID, idb.ID, inner.ID, w.Result().Cookies())
	}

	both := "Cookie: " + strings.Join(pairs(w.Result()), "; ")
	wasA, wasB := ida.ID, idb.ID
	w = httptest.NewRecorder()
	h.ServeHTTP(w, request("POST", "/login", both))
	cookies := w.Result().Cookies()
	if ida.ID != wasA || idb.ID != wasB || len(cookies) != 1 || cookies[0].Name != cookieName {
		t.Errorf("a %q, b %q, cookies after Rotate of a: %v", ida.ID, idb.ID, w.Result().Cookies())
	}

	w = httptest.NewRecorder() // b's Guard is the inner one, a's continues with a's id
	a.Identify(b.Identify(a.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inner, _ = middleware.FromContext(r.Context())
		idb, _ = middleware.FromContext(b.Context(r.Context()))
	})))).ServeHTTP(w, request("GET", "/", both))
	if inner.ID != wasA || idb.ID != wasB {
		t.Errorf("inside a.Guard: %q, want %q; b %q, want %q", inner.ID, wasA, idb.ID, wasB)
	}
}

// H2: two Middlewares with one cookie name on one path would give each visitor two ids in
// turn.
func TestH2OneCookieTwice(t *testing.T) {
	var log strings.Builder
	o := middleware.Options{Codec: newCodec(t, cookie.Options{}), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	h := middleware.New(o).Identify(middleware.New(o).Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request went through")
	})))
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", "/"))
		if w.Code != 500 || !strings.Contains(w.Body.String(), "a Name of its own") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if n := strings.Count(log.String(), "two Mirage middlewares"); n != 1 {
		t.Errorf("logged %d times: %s", n, log.String())
	}
}

// rememberer is a session layer that says how long it remembers revocations.
type rememberer struct {
	middleware.Sessions
	d time.Duration
}

func (r rememberer) Remember() time.Duration { return r.d }

// H2: if a revocation is forgotten before the cookie expires, the cookie becomes valid
// again.
func TestH2Remember(t *testing.T) {
	codec := newCodec(t, cookie.Options{MaxAge: 2 * time.Hour})
	_, err := tryNew(middleware.Options{Codec: codec, Sessions: rememberer{newFake(), time.Hour}})
	if !strings.Contains(err, "raise Remember") {
		t.Errorf("panic %q", err)
	}
	_, err = tryNew(middleware.Options{Codec: codec, Sessions: rememberer{newFake(), 2 * time.Hour}})
	if err != "" {
		t.Errorf("panic %q", err)
	}
}

// H1: Value is called for requests that a transport gets, and not for refused ones.
func TestH1Value(t *testing.T) {
	asked := 0
	mw := middleware.New(middleware.Options{
		Codec: newCodec(t, cookie.Options{}),
		Value: func(r *http.Request) any { asked++; return r.Header.Get("X-User") },
	})

	var got middleware.Identity
	var err error
	h := mw.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, _ := middleware.FromContext(r.Context()); id.Value != nil {
			t.Errorf("FromContext has the value %v", id.Value)
		}
		got, err = middleware.Require(w, r)
	}))

	h.ServeHTTP(httptest.NewRecorder(), request("POST", "/", "X-User: ann"))
	if err != nil || got.Value != "ann" || asked != 1 {
		t.Errorf("value %v, error %v, asked %d times", got.Value, err, asked)
	}

	for _, r := range []*http.Request{
		request("HEAD", "/"), request("POST", "/", "Sec-Fetch-Site: cross-site"), request("DELETE", "/"),
	} {
		h.ServeHTTP(httptest.NewRecorder(), r)
		if err == nil || asked != 1 {
			t.Errorf("%s: error %v, asked %d times", r.Method, err, asked)
		}
	}
}

// H1: a request that Guard refuses is not let in by another handler either, whether the
// handlers ask one after the other or at once.
func TestH1RefusedByEveryGuard(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	refusing := func(*http.Request, string) (string, error) { return "", errors.New("no") }
	mw := middleware.New(middleware.Options{Codec: codec, Validate: refusing})
	signed, err := codec.Sign(cookie.ID, "ann")
	if err != nil {
		t.Fatal(err)
	}
	var inside atomic.Int32
	fragment := mw.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	for name, run := range map[string]func(f func()){
		"one after the other": func(f func()) { f(); f() },
		"at once": func(f func()) {
			var all sync.WaitGroup
			for range 4 {
				all.Go(f)
			}
			all.Wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			page := mw.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				run(func() { fragment.ServeHTTP(httptest.NewRecorder(), r) })
				if id, ok := middleware.FromContext(r.Context()); !ok || id.ID != "ann" {
					t.Errorf("the page has the id %q, %v", id.ID, ok)
				}
			}))
			page.ServeHTTP(httptest.NewRecorder(), request("GET", "/", withCookie(signed)))
			if inside.Load() != 0 {
				t.Errorf("%d fragments let it in", inside.Load())
			}
		})
	}
}

// H1: http.TimeoutHandler between Identify and Guard has a separate header, and writes
// the outer one while the hook still runs. No handler inside touches the outer one.
func TestH1TimeoutBetween(t *testing.T) {
	codec := newCodec(t, cookie.Options{MaxAge: time.Hour})
	o := middleware.Options{Codec: codec, Validate: func(r *http.Request, _ string) (string, error) {
		<-r.Context().Done()
		return "", nil
	}}
	mw := middleware.New(o)
	h := mw.Identify(http.TimeoutHandler(mw.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request went through")
	})), 20*time.Millisecond, "late"))
	server := httptest.NewServer(h)
	defer server.Close()
	signed, err := codec.SignAt(cookie.ID, "ann", time.Now().Add(-30*time.Minute)) // due for renewal
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("GET", server.URL, nil)
	r.AddCookie(&http.Cookie{Name: cookieName, Value: signed})
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Error(res.Status)
	}
}

// H1: a Middleware does not interfere with the requests of another one on the same route:
// a revoked id, a link token, a page of an origin that is foreign only to it.
func TestH1Neighbours(t *testing.T) {
	const other = "https://other.example.com"
	f := newFake()
	shop := middleware.New(middleware.Options{Codec: newCodec(t, cookie.Options{})})
	admin := middleware.New(middleware.Options{
		Codec: newCodec(t, cookie.Options{Name: "admin"}, key('a')), Sessions: f, Origins: []string{other},
	})
	var atShop, atAdmin middleware.Identity
	var linkErr error
	h := admin.Identify(shop.Identify(shop.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		atAdmin, _ = middleware.FromContext(admin.Context(r.Context()))
		atShop, linkErr = middleware.Require(w, r)
		atShop.Grant(w)
	}))))
	visit := func(r *http.Request) *http.Response {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	both := "Cookie: " + strings.Join(pairs(visit(request("GET", "/?_cid="+cid, stream))), "; ")
	shopID := atShop.ID

	if err := f.Revoke(t.Context(), atAdmin.ID); err != nil {
		t.Fatal(err)
	}
	res := visit(request("GET", "/?_cid="+cid, both, stream))
	if linkErr != nil || res.StatusCode != 200 || atShop.ID != shopID {
		t.Errorf("admin's id is revoked, and shop's link: %v, id %q, want %q", linkErr, atShop.ID, shopID)
	}

	token := atShop.LinkToken(cid, 1, time.Minute)
	visit(request("POST", "/?_cid="+cid, both, "Mirage-Link: "+token))
	if linkErr != nil || atShop.Link != 1 || atAdmin.ID == "" {
		t.Errorf("shop's link token: %v, %+v; admin's id %q", linkErr, atShop, atAdmin.ID)
	}

	// The other way round shop is outside, and the page is foreign to shop alone.
	inner := admin.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, linkErr = middleware.Require(w, r)
	}))
	w := httptest.NewRecorder()
	shop.Identify(inner).ServeHTTP(w, request("POST", "/?_cid="+cid, "Origin: "+other, "Sec-Fetch-Site: cross-site"))
	if linkErr != nil {
		t.Errorf("a page of an origin that admin lists: %v", linkErr)
	}

	// A Middleware has no identity for a handler that it does not wrap.
	shop.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := admin.Context(r.Context())
		if id, ok := middleware.FromContext(ctx); ok {
			t.Errorf("admin takes %q of shop for its own", id.ID)
		}
		if _, err := middleware.Rotate(w, r.WithContext(ctx)); err == nil {
			t.Error("admin rotates the id of shop")
		}
	})).ServeHTTP(httptest.NewRecorder(), request("POST", "/", both))
}

// H2: a transport behind Identify without Guard would begin links past Validate.
func TestH2Unguarded(t *testing.T) {
	s := newHouse(t, middleware.Options{}, true)
	c := withCookie(cookieOf(s.do(request("GET", "/"))))
	var err error
	s.mw.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err = middleware.Require(w, r)
	})).ServeHTTP(httptest.NewRecorder(), request("GET", "/", c, stream))
	if statusOf(err) != 500 || !strings.Contains(err.Error(), "put Guard around") {
		t.Errorf("error %v", err)
	}
}
