package mirage_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mirage-go/mirage"
)

// O6: Healthy answers 200 as long as the process does, and Ready until Shutdown begins or
// SetReady(false) is called. Nothing of it makes a session.
func TestO6Probes(t *testing.T) {
	live := mirage.New(mirage.Options{Insecure: true})
	want := func(when string, h http.Handler, status int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != status || w.Body.String() != text+"\n" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %q %v, want %d %q", when, w.Code, w.Body, w.Header(), status, text)
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: a probe got a cookie", when)
		}
	}

	want("at first", live.Ready(), 200, "ready")
	live.SetReady(false)
	want("SetReady(false)", live.Ready(), 503, "not ready")
	want("SetReady(false)", live.Healthy(), 200, "ok")
	live.SetReady(true)
	want("SetReady(true)", live.Ready(), 200, "ready")
	if err := live.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	want("after Shutdown", live.Ready(), 503, "draining")
	want("after Shutdown", live.Healthy(), 200, "ok")

	w := httptest.NewRecorder()
	live.Ready().ServeHTTP(w, httptest.NewRequest("POST", "/readyz", nil))
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("a POST: %d", w.Code)
	}
}
