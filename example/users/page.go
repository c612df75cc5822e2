package main

import (
	"embed"
	"html/template"
	"log/slog"
	"net/http"
)

//go:embed page
var embedded embed.FS

var pages = template.Must(template.ParseFS(embedded, "page/*.html"))

// policy allows the page only to load its own files and to connect to its own server. It
// forbids inline scripts and HTML made from text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// show renders the inbox, or the log-in.
func (s *site) show(w http.ResponseWriter, r *http.Request) {
	u, ok := s.accounts.user(r)
	name := "login.html"
	if ok {
		name = "inbox.html"
	}
	secure(w.Header())
	w.Header().Set("Cache-Control", "no-store") // after a log-out, Back shows nothing
	err := pages.ExecuteTemplate(w, name, map[string]any{"User": u, "Everybody": everybody})
	if err != nil {
		slog.Error("rendering the page", "error", err)
	}
}

// files serves the other files of the page.
func files() http.Handler {
	server := http.FileServerFS(embedded)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		w.Header().Set("Cache-Control", "no-cache") // the files belong to this very program
		server.ServeHTTP(w, r)
	})
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
}
