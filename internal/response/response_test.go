package response_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/internal/response"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type writer = http.ResponseWriter

// The writers of middleware, old and new.
type (
	unwraps struct{ w http.ResponseWriter } // as in new middleware
	named   struct {                        // as in echo: all methods, and a named field
		unwraps
		Writer http.ResponseWriter
	}
	hidden  struct{ w http.ResponseWriter } // all methods, and no way to find the wrapped writer
	pointer struct{ *embeds }               // as gziphandler's with CloseNotify
	embeds  struct{ http.ResponseWriter }   // hides the methods that it does not define
	mixed   struct {
		http.ResponseWriter
		http.Flusher
	} // as httpsnoop makes them
	looping struct{ http.ResponseWriter }
)

func (u unwraps) Header() http.Header         { return u.w.Header() }
func (u unwraps) Write(b []byte) (int, error) { return u.w.Write(b) }
func (u unwraps) WriteHeader(status int)      { u.w.WriteHeader(status) }
func (u unwraps) Unwrap() http.ResponseWriter { return u.w }

func (named) Flush()                                         {}
func (named) Hijack() (net.Conn, *bufio.ReadWriter, error)   { return nil, nil, nil }
func (h hidden) Header() http.Header                         { return h.w.Header() }
func (h hidden) Write(b []byte) (int, error)                 { return h.w.Write(b) }
func (h hidden) WriteHeader(status int)                      { h.w.WriteHeader(status) }
func (hidden) FlushError() error                             { return nil }
func (hidden) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return nil, nil, nil }
func (pointer) Flush()                                       {}
func (pointer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }
func (l looping) Unwrap() http.ResponseWriter                { return l }

// serve calls f with the writer that net/http, perhaps within http.TimeoutHandler, gives
// to a handler.
func serve(t *testing.T, timeout, http2 bool, f func(http.ResponseWriter, *http.Request)) {
	t.Helper()
	var h http.Handler = http.HandlerFunc(f)
	if timeout {
		h = http.TimeoutHandler(h, time.Minute, "")
	}
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = http2
	if http2 {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// L3: the innermost writer, and each one that does not unwrap, decide what a response can
// do.
func TestL3Can(t *testing.T) {
	for name, tt := range map[string]struct {
		wrap      func(writer) writer
		flush     bool // in net/http's own writer
		hijack    bool
		inTimeout bool // also in http.TimeoutHandler's writer, which hides its inner one
	}{
		"bare":                  {func(w writer) writer { return w }, true, true, false},
		"unwraps":               {func(w writer) writer { return unwraps{w} }, true, true, false},
		"a field beside Unwrap": {func(w writer) writer { return named{unwraps{w}, w} }, true, true, false},
		"a hidden field":        {func(w writer) writer { return hidden{w} }, true, true, false},
		"embedded twice":        {func(w writer) writer { return pointer{&embeds{w}} }, true, true, false},
		"embedded in nothing":   {func(w writer) writer { return pointer{} }, true, true, true},
		"hides":                 {func(w writer) writer { return embeds{w} }, false, false, false},
		"unwraps to what hides": {func(w writer) writer { return unwraps{&embeds{w}} }, false, false, false},
		"only Flush": {func(w writer) writer {
			f, _ := w.(http.Flusher)
			return mixed{w, f}
		}, true, false, false},
		"unwraps to nothing": {func(writer) writer { return unwraps{} }, false, false, false},
		"unwraps to itself":  {func(w writer) writer { return looping{w} }, false, false, false},
		"five of them": {func(w writer) writer {
			return unwraps{named{unwraps{hidden{pointer{&embeds{w}}}}, nil}}
		}, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, false, false, func(w http.ResponseWriter, r *http.Request) {
				wrapped := tt.wrap(w)
				if f, h := response.CanFlush(wrapped), response.CanHijack(wrapped, r); f != tt.flush || h != tt.hijack {
					t.Errorf("flush %v, hijack %v", f, h)
				}
				if response.CanHijack(wrapped, r.WithContext(context.Background())) {
					t.Error("a connection that may not be net/http's is taken over")
				}
			})

			serve(t, true, false, func(w http.ResponseWriter, r *http.Request) {
				wrapped := tt.wrap(w)
				f, h := response.CanFlush(wrapped), response.CanHijack(wrapped, r)
				if f != tt.inTimeout || h != tt.inTimeout {
					t.Errorf("in TimeoutHandler: flush %v, hijack %v", f, h)
				}
			})

			serve(t, false, true, func(w http.ResponseWriter, r *http.Request) {
				wrapped := tt.wrap(w)
				if f, h := response.CanFlush(wrapped), response.CanHijack(wrapped, r); f != tt.flush || h {
					t.Errorf("HTTP/2: flush %v, hijack %v", f, h)
				}
			})
		})
	}
}

// L3: Sent knows whether the head of a response was given to net/http, or reports that it
// is unknown.
func TestL3Sent(t *testing.T) {
	sent := func(name string, w http.ResponseWriter, want, wantKnown bool) {
		t.Helper()
		if got, known := response.Sent(w); got != want || known != wantKnown {
			t.Errorf("%s: %v, known %v", name, got, known)
		}
	}
	serve(t, false, false, func(w http.ResponseWriter, r *http.Request) {
		for range 2 {
			sent("before", w, false, true)
			sent("before, wrapped", unwraps{hidden{pointer{&embeds{w}}}}, false, true)
		}
		w.WriteHeader(http.StatusOK)
		sent("after", w, true, true)
		sent("after, wrapped", unwraps{hidden{pointer{&embeds{w}}}}, true, true)
	})
	serve(t, false, true, func(w http.ResponseWriter, r *http.Request) { sent("HTTP/2", w, false, false) })
	serve(t, true, false, func(w http.ResponseWriter, r *http.Request) { sent("TimeoutHandler", w, false, false) })
	sent("a recorder", httptest.NewRecorder(), false, false)
	sent("nothing", pointer{}, false, false)
}

// L3: if an old middleware may compress, the head forbids it. Otherwise the head is
// unchanged.
func TestL3Identity(t *testing.T) {
	for name, tt := range map[string]struct {
		w    http.ResponseWriter
		want string
	}{
		"bare":    {httptest.NewRecorder(), ""},
		"unwraps": {unwraps{httptest.NewRecorder()}, ""},
		"old":     {unwraps{embeds{httptest.NewRecorder()}}, "identity"},
	} {
		response.Identity(tt.w)
		if got := tt.w.Header().Get("Content-Encoding"); got != tt.want || response.Compressed(tt.w.Header()) {
			t.Errorf("%s: %q", name, got)
		}
	}
	w := embeds{httptest.NewRecorder()}
	w.Header().Set("Content-Encoding", "gzip")
	response.Identity(w)
	if got := w.Header().Get("Content-Encoding"); got != "gzip" || !response.Compressed(w.Header()) {
		t.Errorf("of what is compressed: %q", got)
	}
}
