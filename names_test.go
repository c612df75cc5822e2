package mirage_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mirage-go/mirage"
)

// Caches keep the script at the address from ScriptURL, and revalidate the others.
func TestScriptURL(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/live/", newLive(t, mirage.Options{}))
	for _, path := range []string{"/live/mirage.js", "/live/mirage.dev.js"} {
		for url, want := range map[string]string{mirage.ScriptURL(path): "immutable", path: "no-cache"} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", url, nil))
			if got := w.Header().Get("Cache-Control"); w.Code != http.StatusOK || !strings.Contains(got, want) {
				t.Errorf("%s: %d, Cache-Control: %s, want %s", url, w.Code, got, want)
			}
		}
	}
}
