package transport_test

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/mirage-go/mirage/cookie"
)

// pageKey is the key of the page in the contexts of its requests.
type pageKey struct{}

// A pipe is the network between a browser and the server: a response takes time on it,
// and everything is noted.
type pipe struct {
	next http.RoundTripper
	late func(*http.Request) time.Duration // how long the head of the response is on its way

	mu   sync.Mutex
	seen []passage
}

// A passage is a request and its response.
type passage struct {
	method, path, query string
	sent, set           string // the values of our cookie, as the request and its response had them
	status              int
}

// pipe puts a pipe before the browser.
func (b *browser) pipe(late func(*http.Request) time.Duration) *pipe {
	l := &pipe{next: b.client.Transport, late: late}
	b.client.Transport = l
	b.w.Cleanup(l.CloseIdleConnections)
	return l
}

// takes is the lateness of all responses.
func takes(d time.Duration) func(*http.Request) time.Duration {
	return func(*http.Request) time.Duration { return d }
}

// CloseIdleConnections is for http.Client's method of that name.
func (l *pipe) CloseIdleConnections() { l.next.(*http.Transport).CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (l *pipe) RoundTrip(r *http.Request) (*http.Response, error) {
	if p, ok := r.Context().Value(pageKey{}).(*page); ok && r.Method == "GET" {
		time.Sleep(time.Duration(p.lag.Swap(0)))
	}
	e := passage{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery}
	if c, err := r.Cookie("mirage"); err == nil {
		e.sent = c.Value
	}
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	e.status = resp.StatusCode
	for _, c := range resp.Cookies() {
		if c.Name == "mirage" {
			e.set = c.Value
		}
	}
	time.Sleep(l.late(r))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, e)
	return resp, nil
}

// check checks every response that sets a cookie for a client that came with one: the new
// cookie is for one of these ids.
func (l *pipe) check(w *world, ids ...string) {
	w.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	good := map[string]bool{}
	for _, id := range ids {
		good[id] = true
	}
	for _, e := range l.seen {
		if id := w.named(e.set); e.sent != "" && id != "" && !good[id] {
			w.Errorf("%s %s?%s of %q is answered %d with a cookie for %q",
				e.method, e.path, e.query, w.named(e.sent), e.status, id)
		}
	}
}

// named is the id in a value of the cookie.
func (w *world) named(value string) string {
	id, _, _ := w.codec.Verify(cookie.ID, value)
	return id
}

// holds returns the id in the browser's cookie; "" without one.
func (b *browser) holds() string {
	for _, c := range b.client.Jar.Cookies(mustURL(b.w.url)) {
		if c.Name == "mirage" {
			return b.w.named(c.Value)
		}
	}
	return ""
}

// fetch is a request that a page's script sends to the application.
func (b *browser) fetch(method, path string) answer {
	b.w.Helper()
	a, err := b.try(method, path)
	b.w.must(err)
	return a
}

// try is fetch for any goroutine.
func (b *browser) try(method, path string) (answer, error) {
	r, err := http.NewRequest(method, b.w.home()+path, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := b.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// home is the address of the application.
func (w *world) home() string { return "http://" + w.net.Addr().String() }
