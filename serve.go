package mirage

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
)

// script is the name of the browser client below the live URL.
const script = "mirage.js"

// files are the kinds of files for which pages and development tools ask below the
// live URL. Each is answered with 404: else a tool that looks for a source map would
// hold a stream.
var files = []string{".css", ".html", ".ico", ".js", ".json", ".map", ".mjs", ".ts", ".txt"}

// ServeHTTP serves links, and the browser client mirage.js below them. It looks at the
// last element of the path alone: mount it at any path, with or without a slash at the
// end, behind http.StripPrefix or not, in nested routers. A GET for what looks like a
// file, such as a source map, is 404 unless it asks for a stream, a poll or a WebSocket.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name := path.Split(r.URL.Path)
	switch {
	case name == script:
		l.script.ServeHTTP(w, r)
	case slices.Contains(files, path.Ext(name)) && !isLink(r):
		wiring.Withdraw(r.Context(), w.Header())
		http.Error(w, "mirage: no such file; the browser client is "+script, http.StatusNotFound)
	default:
		l.links.ServeHTTP(w, r)
	}
}

// isLink reports whether the request can only be for a link, whatever its path: a pattern
// such as /rooms/{name} may end in anything.
func isLink(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead ||
		strings.Contains(r.Header.Get("Accept"), "text/event-stream") ||
		r.URL.Query().Has("_wait") || refuse.WantsWebSocket(r)
}
