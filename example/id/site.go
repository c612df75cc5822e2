package main

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// A site is the small application. Its handler is replaced as a whole when the key
// changes. A real site restarts instead.
type site struct {
	accounts accounts
	handler  atomic.Pointer[chi.Mux]

	mu   sync.Mutex
	keys [][]byte // the newest first; guarded by mu
}

func newSite() (*site, error) {
	s := &site{accounts: accounts{names: make(map[string]string)}}
	return s, s.changeKey()
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.Load().ServeHTTP(w, r) }

// changeKey makes the site sign with a new key from now on. Values signed with the
// previous key stay valid.
func (s *site) changeKey() error {
	s.mu.Lock()
	defer s.mu.Unlock()

	// A real site keeps its keys with its other secrets. With new keys at each start, all
	// visitors would get new ids.
	key := make([]byte, 32)
	rand.Read(key)
	s.keys = append([][]byte{key}, s.keys[:min(len(s.keys), 1)]...)
	// For plain http on this machine. Omit Insecure with https.
	codec, err := cookie.New(cookie.Options{Insecure: true}, s.keys...)
	if err != nil {
		return err
	}

	r := chi.NewRouter()
	r.Use(middleware.New(middleware.Options{
		Codec:    codec,
		Generate: s.accounts.generate,
		Validate: s.accounts.validate,
	}).Guard)
	r.Get("/", s.show)
	r.Group(func(r chi.Router) {
		r.Use(ours)
		r.Post("/login", s.login)
		r.Post("/logout", s.logout)
		r.Post("/close", s.closeAccount)
		r.Post("/forge", s.forge)
		r.Post("/key", s.newKey)
	})

	s.handler.Store(r)
	return nil
}

// ours lets in requests that have an identity. Requests from pages of other sites have
// none here, so they cannot log anybody in or out.
func ours(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := middleware.FromContext(r.Context()); !ok {
			http.Error(w, "not from another site", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// show serves the page. It takes the id from the context, where the middleware puts it,
// whatever the visitor sent.
func (s *site) show(w http.ResponseWriter, r *http.Request) {
	id, _ := middleware.FromContext(r.Context())
	name, _ := s.accounts.name(id.ID)
	page.Execute(w, map[string]any{"ID": id.ID, "Previous": id.Previous, "Name": name})
}

func (s *site) login(w http.ResponseWriter, r *http.Request)  { s.become(w, r, r.FormValue("name")) }
func (s *site) logout(w http.ResponseWriter, r *http.Request) { s.become(w, r, "") }

// become logs the visitor in as name, or out if name is "". Both change what the visitor
// may do, so both change the id.
func (s *site) become(w http.ResponseWriter, r *http.Request, name string) {
	old, _ := middleware.FromContext(r.Context())
	id, err := middleware.Rotate(w, r)
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	s.accounts.remove(old.ID)
	s.accounts.set(id, name)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// closeAccount deletes the account of the id. The visitor still holds the id, and the
// validator replaces it on the next page.
func (s *site) closeAccount(w http.ResponseWriter, r *http.Request) {
	id, _ := middleware.FromContext(r.Context())
	s.accounts.remove(id.ID)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) forge(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "mirage", Value: "somebody-else", Path: "/"})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) newKey(w http.ResponseWriter, r *http.Request) {
	if err := s.changeKey(); err != nil {
		http.Error(w, "no key", http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
