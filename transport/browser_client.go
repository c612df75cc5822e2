package transport

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/mirage-go/mirage/client/js"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
)

// script is mirage.js as it is served, as text and gzipped.
type script struct {
	version   string
	text, zip []byte
}

var theScript = sync.OnceValue(func() *script {
	sum := sha256.Sum256([]byte(js.Minified))
	s := &script{version: base64.RawURLEncoding.EncodeToString(sum[:12]), text: []byte(js.Minified)}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level exists
	_, _ = z.Write(s.text)                                // to memory: no error
	_ = z.Close()
	s.zip = b.Bytes()
	return s
})

// Script serves mirage.js, the browser client:
//
//	mux.Handle("/live/mirage.js", transport.Script())
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
		theScript().serve(w, r, shared)
	})
}

// ScriptURL returns the address of this very version of the script, for pages that the
// server renders. path is where Script is mounted. Caches may keep the response for a
// year without asking again. During a roll-out, a program with another version of the
// script answers this address with its own version and Cache-Control: no-cache.
func ScriptURL(path string) string { return path + "?v=" + theScript().version }

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

	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK) // otherwise gin's NoRoute sends its own status
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, bytes.NewReader(body))
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
