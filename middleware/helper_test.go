package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/store"
)

func TestMain(m *testing.M) {
	// scs.New starts a goroutine that never ends. Stopping it races with its start (scs
	// #222).
	const cleanup = "github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(cleanup))
}

const (
	cookieName = "__Host-mirage"
	cid        = "abcdefghijklmnopqrstuv" // 22 characters: the shortest _cid
)

func key(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), 32)) }

func newCodec(t testing.TB, o cookie.Options, keys ...[]byte) *cookie.Codec {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{key('k')}
	}
	c, err := cookie.New(o, keys...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A site is an application behind the middleware under test. It remembers
// what reached it.
type site struct {
	t       testing.TB
	codec   *cookie.Codec
	handler http.Handler

	mu      sync.Mutex
	visits  []visit        // guarded by mu
	counted map[string]int // guarded by mu
}

type visit struct {
	middleware.Identity
	ok      bool  // of FromContext; false with a link token
	refusal error // of Require
}

func newSite(t testing.TB, o middleware.Options) *site {
	t.Helper()
	s := &site{t: t, codec: o.Codec, counted: make(map[string]int)}
	if s.codec == nil {
		s.codec = newCodec(t, cookie.Options{})
		o.Codec = s.codec
	}

	o.Count = func(what string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.counted[what]++
	}

	s.handler = middleware.New(o).Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := middleware.FromContext(r.Context())
		cookies := slices.Clone(w.Header()["Set-Cookie"])
		required, err := middleware.Require(w, r)
		if got := w.Header()["Set-Cookie"]; len(got) > 0 {
			t.Errorf("before a link is granted it gets %q", got)
		}
		if required.Grant(w); err == nil && !slices.Equal(w.Header()["Set-Cookie"], cookies) {
			t.Errorf("a link that was granted gets %q, a page %q", w.Header()["Set-Cookie"], cookies)
		}
		w.Header()["Set-Cookie"] = cookies // the answer is that of a route of the application

		if err == nil {
			if ok && id != required || ok != (id.Link == 0 && required.Link == 0) {
				t.Errorf("FromContext %+v, %v; Require %+v", id, ok, required)
			}
			id = required
		}

		s.mu.Lock()
		defer s.mu.Unlock()
		s.visits = append(s.visits, visit{id, ok, err})
	}))

	return s
}

func (s *site) count(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted[what]
}

func (s *site) reached() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.visits)
}

// do sends a request. v is the visit that the application saw, and reached reports
// whether the request reached it.
func (s *site) do(r *http.Request) (res *http.Response, v visit, reached bool) {
	s.t.Helper()
	before := s.reached()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.visits) > before {
		v, reached = s.visits[len(s.visits)-1], true
	}
	return w.Result(), v, reached
}

// admit sends a request that must reach the application with an identity.
func (s *site) admit(r *http.Request) (*http.Response, middleware.Identity) {
	s.t.Helper()
	res, v, reached := s.do(r)
	if !reached || !v.ok && v.Link == 0 {
		s.t.Fatalf("%s %s: status %d, reached %v, identity %v; want an identity",
			r.Method, r.URL, res.StatusCode, reached, v.ok)
	}
	return res, v.Identity
}

// refuse sends a request that must not reach the application, and returns the problem.
func (s *site) refuse(r *http.Request, status int) (res *http.Response, detail string) {
	s.t.Helper()
	res, _, reached := s.do(r)
	if reached || res.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, reached %v; want %d", r.Method, r.URL, res.StatusCode, reached, status)
	}
	if got := res.Cookies(); len(got) > 0 {
		s.t.Errorf("a refused request got a cookie: %v", got)
	}
	var p struct {
		Status int
		Detail string
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Status != status || p.Detail == "" {
		s.t.Errorf("problem %+v, %v; want status %d and a detail", p, err, status)
	}
	return res, p.Detail
}

func (s *site) sign(id string) string {
	s.t.Helper()
	signed, err := s.codec.Sign(cookie.ID, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return signed
}

// request returns a request of a program. It has only the headers given as "Name: value".
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func withCookie(value string) string { return "Cookie: " + cookieName + "=" + value }

func cookieOf(res *http.Response) string {
	for _, c := range res.Cookies() {
		if c.Name == cookieName {
			return c.Value
		}
	}
	return ""
}

// fake is a session layer whose answers a test sets.
type fake struct {
	mu      sync.Mutex
	names   map[string]string // moved: from → to
	clients map[string]string // from → the client that may use it
	revoked map[string]time.Time
	moves   []string
	err     error
	wait    bool // Resolve waits for its context

	revokeErr error
}

func newFake() *fake {
	return &fake{names: map[string]string{}, clients: map[string]string{}, revoked: map[string]time.Time{}}
}

func (f *fake) Now() time.Time { return time.Now() }

func (f *fake) Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error) {
	if f.wait {
		<-ctx.Done()
		return store.Standing{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if at, ok := f.revoked[id]; ok && !a.Signed.After(at) {
		return store.Standing{ID: id, State: store.StateRevoked}, nil
	}
	if to, ok := f.names[id]; ok && client != "" && f.clients[id] == client {
		return store.Standing{ID: to}, nil
	}
	return store.Standing{ID: id}, f.err
}

func (f *fake) Replace(_ context.Context, from, to string, _ store.Asked, client string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moves = append(f.moves, from+">"+to)
	if client != "" {
		f.names[from], f.clients[from] = to, client
	}
	return f.err
}

func (f *fake) Rotate(_ context.Context, from, to string, _ store.Asked) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moves = append(f.moves, from+">>"+to)
	f.revoked[from] = time.Now()
	return f.err
}

func (f *fake) Revoke(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked[id] = time.Now()
	return errors.Join(f.err, f.revokeErr)
}

type httpRequest = http.Request

func statusOf(err error) int {
	if e, ok := errors.AsType[*middleware.Error](err); ok {
		return e.Status
	}
	return 0
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }
