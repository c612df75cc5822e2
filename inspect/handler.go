package inspect

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store"
)

//go:embed page
var files embed.FS

// Handler returns the page of a Live, and its JSON twin below it. Mount it below any
// path, with a slash at its end, with or without http.StripPrefix: it looks at what
// follows the last "/api/", or at the last element of the path.
func (i *Inspector) Handler(live *mirage.Live) http.Handler {
	root, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is wrong
	}
	h := &handler{Inspector: i, live: live, files: root}
	h.store, _ = live.Sessions().Options().Store.(store.Inspector)

	h.api = http.NewServeMux()
	h.api.HandleFunc("GET /overview", h.overview)
	h.api.HandleFunc("POST /sessions", h.sessions)
	h.api.HandleFunc("GET /sessions", h.sessions)
	h.api.HandleFunc("GET /sessions/{key}", h.session)
	h.api.HandleFunc("GET /sessions/{key}/messages", h.messages)
	h.api.HandleFunc("POST /sessions/{key}/{action}", h.act)
	h.api.HandleFunc("GET /topics", h.topics)
	h.api.HandleFunc("GET /topics/{name}/members", h.members)
	h.api.HandleFunc("GET /log", h.reasons)
	return i.guard(h)
}

type handler struct {
	*Inspector
	live  *mirage.Live
	store store.Inspector // nil if the Store is none
	files fs.FS
	api   *http.ServeMux
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := r.URL.EscapedPath()
	if inner, ok := withinAPI(r, at); ok {
		h.api.ServeHTTP(w, inner)
		return
	}

	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "the page is for GET")
		return
	}
	name := path.Base(at)
	switch {
	case strings.HasSuffix(at, "/"), at == "":
		name = "index.html"
	case !strings.Contains(name, "."): // a path without its slash: relative URLs would lead nowhere
		http.Redirect(w, r, path.Base(at)+"/", http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // the files belong to this very program
	http.ServeFileFS(w, r, h.files, name)
}

// resources are the first elements of the paths of the JSON twin.
var resources = []string{"overview", "sessions", "topics", "log"}

// withinAPI returns the request for the JSON twin that r is: its path begins after the
// last "/api". The page may be mounted below a path that has an "/api" of its own.
func withinAPI(r *http.Request, at string) (inner *http.Request, ok bool) {
	n := strings.LastIndex(at, "/api/")
	if n < 0 {
		return nil, false
	}
	rest := at[n+len("/api"):]
	first, _, _ := strings.Cut(rest[1:], "/")
	decoded, err := url.PathUnescape(rest)
	if err != nil || !slices.Contains(resources, first) {
		return nil, false
	}
	inner = r.Clone(r.Context())
	inner.URL.Path, inner.URL.RawPath = decoded, rest
	return inner, true
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	_ = e.Encode(v) // an error means that the client has left
}

// refuse answers with an error, as JSON.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
