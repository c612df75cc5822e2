package mirage

import (
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/internal/wiring"
)

// scripts are the names of the browser client's files below the live URL:
// transport.Script.
var scripts = []string{"mirage.js", "mirage.dev.js", "mirage.js.map"}

// files are the extensions of files that pages and development tools request below the
// live URL. Each is answered with 404. Otherwise a tool that looks for one would hold a
// stream open.
var files = []string{".css", ".html", ".ico", ".js", ".json", ".map", ".mjs", ".ts", ".txt"}

// ServeHTTP serves links, and below them the browser client: mirage.js, for debugging the
// readable mirage.dev.js, and the source map mirage.js.map. It looks only at the last
// element of the path, so you can mount it at any path: with or without a trailing slash,
// with or without http.StripPrefix, and in nested routers. A GET for a path that looks
// like any other file, such as style.css, gets 404 unless it asks for a stream, a poll or
// a WebSocket.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name := path.Split(r.URL.Path)
	switch {
	case slices.Contains(scripts, name):
		l.script.ServeHTTP(w, r)
	case slices.Contains(files, path.Ext(name)) && !isLink(r):
		wiring.Withdraw(r.Context(), w.Header())
		http.Error(w, "mirage: no such file; the browser client's files are "+strings.Join(scripts, ", "),
			http.StatusNotFound)
	default:
		l.links.ServeHTTP(w, r)
	}
}

// isLink reports whether the request can only be for a link, whatever its path is. A
// pattern such as /rooms/{name} may end in anything.
func isLink(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead ||
		strings.Contains(r.Header.Get("Accept"), "text/event-stream") ||
		r.URL.Query().Has("_wait") || refuse.WantsWebSocket(r)
}
