package transport_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport/poll"
	"github.com/mirage-go/mirage/transport/sse"
	sockets "github.com/mirage-go/mirage/transport/websocket"
)

// I15: no answer of a transport that refuses a request sets a cookie.
func TestI15RefusedGetsNoCookie(t *testing.T) {
	codec, err := cookie.New(cookie.Options{}, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	m := session.New(session.Options{})
	defer m.Shutdown(context.Background())
	mw := middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard
	for transport, h := range map[string]http.Handler{
		"sse": sse.Handler(m, sse.Options{}), "poll": poll.Handler(m, poll.Options{}),
		"websocket": sockets.Handler(m, sockets.Options{}),
	} {
		for name, r := range map[string]*http.Request{
			"a GET with a body":        httptest.NewRequest("GET", "/live", strings.NewReader("x")),
			"a PUT":                    httptest.NewRequest("PUT", "/live", nil),
			"a DELETE without token":   httptest.NewRequest("DELETE", "/live", nil),
			"a POST without a session": httptest.NewRequest("POST", "/live", strings.NewReader("x")),
		} {
			w := httptest.NewRecorder()
			mw(h).ServeHTTP(w, r)
			if set := w.Header()["Set-Cookie"]; w.Code < 400 || len(set) > 0 {
				t.Errorf("%s: %s: %d, Set-Cookie %q", transport, name, w.Code, set)
			}
		}
	}
}
