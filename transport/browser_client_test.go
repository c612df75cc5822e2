package transport_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"

	"github.com/mirage-go/mirage/client/js"
	"github.com/mirage-go/mirage/transport"
)

func TestScript(t *testing.T) {
	const script = "text/javascript; charset=utf-8"
	for _, file := range []struct{ path, text, kind string }{
		{"/live/mirage.js", js.Minified, script},
		{"/live/mirage.dev.js", js.Source, script},
		{"/live/mirage.js.map", js.Map, "application/json"},
		{"/assets/client.js", js.Minified, script}, // at a path of the application's choice
		{"/script", js.Minified, script},
	} {
		mux := http.NewServeMux()
		mux.Handle(file.path, transport.Script())
		r := chi.NewRouter()
		r.Use(chimw.Compress(5)) // does not compress again
		r.Handle(file.path, transport.Script())
		for name, h := range map[string]http.Handler{"ServeMux": mux, "chi": r} {
			t.Run(name+file.path, func(t *testing.T) { testScript(t, h, file.path, file.text, file.kind) })
		}
	}

	if transport.ScriptURL("/mirage.js") == transport.ScriptURL("/mirage.dev.js") {
		t.Error("two files have one version")
	}
}

// testScript tests that h serves text at path, in both encodings, and how caches keep it.
func testScript(t *testing.T, h http.Handler, path, want, kind string) {
	const immutable = "public, max-age=31536000, immutable"
	ask := func(method, url string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, url, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	text := func(w *httptest.ResponseRecorder) string {
		t.Helper()
		var body io.Reader = bytes.NewReader(w.Body.Bytes())
		if w.Header().Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	tags := map[string]bool{}
	for _, row := range []struct {
		name, url, accept, encoding, cache string
	}{
		{"stable", path, "", "", "no-cache"},
		{"hashed", transport.ScriptURL(path), "", "", immutable},
		{"of another version", path + "?v=other", "", "", "no-cache"},
		{"gzip", path, "br, gzip", "gzip", "no-cache"},
		{"gzip, hashed", transport.ScriptURL(path), "gzip;q=0.5", "gzip", immutable},
		{"gzip refused", path, "gzip;q=0", "", "no-cache"},
	} {
		if _, ok := h.(*chi.Mux); ok && row.name == "gzip refused" {
			continue // Compress does not look at q
		}

		var header []string
		if row.accept != "" {
			header = []string{"Accept-Encoding", row.accept}
		}

		w := ask("GET", row.url, header...)
		if w.Code != 200 || text(w) != want {
			t.Errorf("%s: %d, %d bytes", row.name, w.Code, w.Body.Len())
		}
		got := w.Header()
		if got.Get("Content-Encoding") != row.encoding || got.Get("Cache-Control") != row.cache ||
			got.Get("Content-Type") != kind ||
			!strings.Contains(strings.Join(got["Vary"], ","), "Accept-Encoding") {
			t.Errorf("%s: %v", row.name, got)
		}

		tag := got.Get("ETag")
		tags[tag] = true
		if w := ask("GET", row.url, append(header, "If-None-Match", `"x", W/`+tag)...); w.Code != 304 ||
			w.Body.Len() > 0 {
			t.Errorf("%s, again: %d, %d bytes", row.name, w.Code, w.Body.Len())
		}
		if w := ask("HEAD", row.url, header...); w.Code != 200 || w.Body.Len() > 0 ||
			w.Header().Get("ETag") != tag {
			t.Errorf("%s, HEAD: %d %v", row.name, w.Code, w.Header())
		}
	}

	if len(tags) != 2 {
		t.Errorf("tags %v, want one for each encoding", tags)
	}
	if w := ask("POST", path); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}
