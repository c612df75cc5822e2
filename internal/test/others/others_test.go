// Package others_test tests Mirage behind routers and middleware that the module itself
// must not depend on.
package others_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/NYTimes/gziphandler"
	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"

	"github.com/mirage-go/mirage/middleware"
)

var sessions = &scs.SessionManager{ // not scs.New: its store has a goroutine that never ends
	Lifetime: time.Hour, Store: memstore.NewWithCleanupInterval(0), Codec: scs.GobCodec{},
	Cookie: scs.SessionCookie{Name: "session", Path: "/"},
}

func withGin(next http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Any("/*path", gin.WrapH(next))
	return g
}

// noRoute serves where gin has already set its own status, 404.
func noRoute(next http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.NoRoute(gin.WrapH(next))
	return g
}

func withEcho(next http.Handler) http.Handler {
	e := echo.New()
	e.Any("/*", echo.WrapHandler(next))
	return e
}

// wrapping wraps each ResponseWriter.
func wrapping(wrap func(http.ResponseWriter) http.ResponseWriter) wrapper {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
	}
}

// eager has all optional methods, as old middleware has, and calls those that exist.
type eager struct{ w http.ResponseWriter }

func (e eager) Header() http.Header         { return e.w.Header() }
func (e eager) Write(b []byte) (int, error) { return e.w.Write(b) }
func (e eager) WriteHeader(status int)      { e.w.WriteHeader(status) }
func (e eager) Flush() {
	if f, ok := e.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (e eager) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return e.w.(http.Hijacker).Hijack()
}

// logging is gin's usual way to log a body.
type logging struct{ gin.ResponseWriter }

func withGinLogging(next http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(func(c *gin.Context) { c.Writer = logging{c.Writer}; c.Next() })
	g.Any("/*path", gin.WrapH(next))
	return g
}

var wrappers = map[string]wrapper{
	"scs":                sessions.LoadAndSave,
	"gin":                withGin,
	"gin's NoRoute":      noRoute,
	"gin with a writer":  withGinLogging,
	"echo":               withEcho,
	"gzhttp":             func(next http.Handler) http.Handler { return gzhttp.GzipHandler(next) },
	"gziphandler":        gziphandler.GzipHandler,
	"an old writer":      wrapping(func(w http.ResponseWriter) http.ResponseWriter { return eager{w} }),
	"scs in gin":         func(next http.Handler) http.Handler { return withGin(sessions.LoadAndSave(next)) },
	"gin in gziphandler": func(next http.Handler) http.Handler { return gziphandler.GzipHandler(withGin(next)) },
	"scs in NoRoute":     func(next http.Handler) http.Handler { return noRoute(sessions.LoadAndSave(next)) },
}

// L3: each transport works behind other people's routers and middleware.
func TestL3Others(t *testing.T) {
	for name, around := range wrappers {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{})
			s.serve(around(s.mux))
			s.visitor().streams()
			s.visitor().polls()
			s.visitor().speaks()
		})
	}
}

// L3: inside http.TimeoutHandler as well, streams and WebSocket are refused with a
// readable text, and polls work.
func TestL3OthersTimeoutHandler(t *testing.T) {
	for name, around := range wrappers {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{})
			s.serve(http.TimeoutHandler(around(s.mux), patience, "too late"))
			v := s.visitor()
			v.noStream()
			v.refused()
			v.polls()
		})
	}
}

// L3: a response of Mirage with 200 stays 200 where gin would set 404 on its own.
func TestL3NoRoute(t *testing.T) {
	s := newSite(t, middleware.Options{})
	s.serve(noRoute(s.mux))
	v := s.visitor()
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/live" + poll, "", 200},
		{"POST", "/live", "up", 200},
		{"HEAD", "/live", "", 200},
		{"OPTIONS", "/live", "", 204},
		{"GET", "/live/mirage.js", "", 200},
		{"HEAD", "/live/mirage.js", "", 200},
		{"DELETE", "/live/mirage.js", "", 405},
		{"PATCH", "/live", "", 405},
		{"DELETE", "/live", "", 401},
	} {
		if status, text := v.status(tt.method, tt.path, tt.body, sse...); status != tt.want {
			t.Errorf("%s %s: %d, want %d: %.100s", tt.method, tt.path, status, tt.want, text)
		}
	}
}

// L3: behind fiber's adaptor, whose connections are not net/http's, streams and polls
// work, and WebSocket is refused. No bytes of them appear between the responses to other
// requests on the connection.
func TestL3Fiber(t *testing.T) {
	s := newSite(t, middleware.Options{})
	app := fiber.New()
	app.All("/live", adaptor.HTTPHandler(s.mux))
	app.Get("/other", func(c fiber.Ctx) error { return c.SendString("other") })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	served := make(chan error, 1)
	go func() { served <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		s.shutdown()
		s.must(l.Close()) // not app.Shutdown: it races with the contexts of its own requests
		<-served
	})
	s.url = "http://" + l.Addr().String()

	s.visitor().streams()
	s.visitor().polls()
	s.visitor().refused()

	conn, err := net.Dial("tcp", l.Addr().String())
	s.must(err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "GET /live HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"+
		"GET /other HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(conn)
	stream, err := http.ReadResponse(r, nil)
	s.must(err)
	(&visitor{site: s}).said(bufio.NewReader(stream.Body), "data: greeting\n")
	s.shutdown()
	_, _ = io.Copy(io.Discard, stream.Body)
	if other, err := http.ReadResponse(r, nil); err == nil { // fiber may also close the connection
		if text, _ := io.ReadAll(other.Body); string(text) != "other" {
			t.Errorf("the answer to the next request: %q", text)
		}
	}
}

// L3: if a middleware passes on neither the head nor a flush, the stream ends with
// everything that was written until then. It never sends text without a head.
func TestL3HeldBack(t *testing.T) {
	for name, around := range map[string]wrapper{
		"with Unwrap":    buffered(true),
		"without Unwrap": buffered(false),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{})
			s.serve(around(s.mux))
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			s.must(err)
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			fmt.Fprint(conn, "GET /live HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			s.must(err)
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || !strings.Contains(string(text), "data: greeting\n") {
				t.Errorf("%s %q, %v", resp.Status, text, err)
			}
			s.visitor().polls()
			s.visitor().speaks()
		})
	}
}

// hoard keeps a whole response until the handler has returned, and ignores flushes.
type hoard struct {
	http.ResponseWriter
	status int
	body   []byte
}

func (h *hoard) WriteHeader(status int)      { h.status = status }
func (h *hoard) Write(b []byte) (int, error) { h.body = append(h.body, b...); return len(b), nil }
func (h *hoard) Flush()                      {}
func (h *hoard) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.status = 0
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

type unwrapping struct{ *hoard }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func buffered(unwraps bool) wrapper {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := &hoard{ResponseWriter: w}
			if unwraps {
				next.ServeHTTP(unwrapping{h}, r)
			} else {
				next.ServeHTTP(h, r)
			}
			if h.status > 0 {
				w.WriteHeader(h.status)
				_, _ = w.Write(h.body)
			}
		})
	}
}
