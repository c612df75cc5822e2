package transport

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/mirage-go/mirage/client/js"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
)

// script is a file of the browser client as it is served, as text and gzipped.
type script struct {
	kind, version string
	text, zip     string
}

// scripts are the files, by the last element of their paths.
var scripts = map[string]func() *script{
	"mirage.js":     load(js.Minified, "text/javascript; charset=utf-8"),
	"mirage.dev.js": load(js.Source, "text/javascript; charset=utf-8"),
	"mirage.js.map": load(js.Map, "application/json"), // the name at the end of js.Minified
}

// load returns a function that compresses text when it is first called.
func load(text, kind string) func() *script {
	return sync.OnceValue(func() *script {
		sum := sha256.Sum256([]byte(text))
		var b strings.Builder
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level exists
		_, _ = io.WriteString(z, text)                        // to memory: no error
		_ = z.Close()
		return &script{kind, base64.RawURLEncoding.EncodeToString(sum[:12]), text, b.String()}
	})
}

// scriptAt returns the file that is served at a path.
func scriptAt(urlPath string) *script {
	file, ok := scripts[path.Base(urlPath)]
	if !ok {
		file = scripts["mirage.js"]
	}
	return file()
}

// Script serves mirage.js, the browser client:
//
//	mux.Handle("/live/mirage.js", transport.Script())
//	mux.Handle("/live/mirage.js.map", transport.Script())
//
// The last element of the path decides which file it serves:
//
//   - mirage.js, or any name that is not below: the minified script.
//   - mirage.js.map: its source map. Development tools request it beside the script. If
//     the path belongs to a handler of links instead, that opens a stream for them.
//   - mirage.dev.js: the readable script.
//
// Script needs no middleware. If it is mounted behind Mirage's middleware all the same,
// the response sets no cookie, because caches may store it.
//
// Browsers revalidate the script each time that they use it. A browser that got the
// address from ScriptURL does not even revalidate.
func Script() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		refuse.NotUpgraded(h, r)
		shared := wiring.Withdraw(r.Context(), h)
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the methods here are GET, HEAD", http.StatusMethodNotAllowed)
			return
		}
		scriptAt(r.URL.Path).serve(w, r, shared)
	})
}

// ScriptURL returns the address of this very version of the script, for pages that the
// server renders. path is where Script is mounted. Caches may keep the response for a
// year without asking again. During a roll-out, a program with another version of the
// script answers this address with its own version and Cache-Control: no-cache.
func ScriptURL(path string) string { return path + "?v=" + scriptAt(path).version }

func (s *script) serve(w http.ResponseWriter, r *http.Request, shared bool) {
	h := w.Header()
	body, tag := s.text, `"`+s.version+`"`
	if takesGzip(r.Header.Values("Accept-Encoding")) {
		body, tag = s.zip, `"`+s.version+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}

	h.Set("ETag", tag)
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == s.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if !shared { // the response sets a cookie that we cannot withdraw
		h.Set("Cache-Control", "private, no-store")
	}
	h.Set("Access-Control-Allow-Origin", "*") // for pages of other origins; the script is public
	h.Set("X-Content-Type-Options", "nosniff")

	for etag := range strings.SplitSeq(strings.Join(r.Header.Values("If-None-Match"), ","), ",") {
		if etag = strings.TrimPrefix(strings.TrimSpace(etag), "W/"); etag == tag || etag == "*" {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}

	h.Set("Content-Type", s.kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK) // otherwise gin's NoRoute sends its own status
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, strings.NewReader(body))
	}
}

// takesGzip reports whether an Accept-Encoding names gzip and does not refuse it (RFC
// 9110, 12.5.3).
func takesGzip(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, weighed := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(weight, " ", "")), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !weighed || err == nil && n > 0
	}
	return false
}
