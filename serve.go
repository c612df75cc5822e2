package mirage

import (
	"net/http"
	"path"
	"slices"

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
// end, behind http.StripPrefix or not, in nested routers.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch name := path.Base(r.URL.Path); {
	case name == script:
		l.script.ServeHTTP(w, r)
	case slices.Contains(files, path.Ext(name)):
		wiring.Withdraw(r.Context(), w.Header())
		http.Error(w, "mirage: no such file; the browser client is "+script, http.StatusNotFound)
	default:
		l.links.ServeHTTP(w, r)
	}
}
