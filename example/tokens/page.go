package main

import (
	"context"
	"crypto/rand"
	"embed"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
)

//go:embed page
var embedded embed.FS

var page = template.Must(template.ParseFS(embedded, "page/index.html"))

// policy allows the page only to load its own files and to connect to its own server. It
// forbids inline scripts and HTML made from text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// begin leads to a new conversation. It is kept from its first question on.
func (s *site) begin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/c/"+strings.ToLower(rand.Text()), http.StatusSeeOther)
}

// show renders a conversation.
func (s *site) show(w http.ResponseWriter, r *http.Request) {
	conversation := chi.URLParam(r, "conversation")
	if !isID(conversation) {
		http.NotFound(w, r)
		return
	}
	turns, after, err := s.answers.snapshot(r.Context(), conversation)
	if err != nil {
		slog.Error("a conversation cannot be shown", "error", err)
		http.Error(w, "The conversation cannot be read.", http.StatusInternalServerError)
		return
	}

	secure(w.Header())
	w.Header().Set("Cache-Control", "no-store") // a page that comes back is rendered anew
	err = page.Execute(w, map[string]any{"Conversation": conversation, "After": after, "Turns": turns})
	if err != nil {
		slog.Error("rendering the page", "error", err)
	}
}

// snapshot returns a conversation, and the position after which a page that shows it
// joins its topic. From there on the page gets all that is missing: of an answer that is
// being given, everything.
func (a *answers) snapshot(ctx context.Context, conversation string) ([]Turn, mirage.TopicPosition, error) {
	turns, err := a.store.turns(ctx, conversation)
	if _, ok := unended(turns); ok {
		if err = a.takeOver(ctx, conversation); err == nil { // perhaps the node that answered it died
			turns, err = a.store.turns(ctx, conversation)
		}
	}
	if err != nil {
		return nil, mirage.TopicPosition{}, err
	}

	after, err := a.topic(conversation).Position(ctx)
	if err != nil {
		return nil, after, err
	}
	if t, ok := unended(turns); ok && t.Begin.Epoch == after.Epoch { // the topic still has it
		return turns, t.Begin, nil
	}

	// Again, in this order. What changes after the position was taken comes through the
	// topic, whether the store has it or not.
	turns, err = a.store.turns(ctx, conversation)
	return turns, after, err
}

// files serves the other files of the page.
func files() http.Handler {
	root, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // the name is wrong
	}
	server := http.FileServerFS(root)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		w.Header().Set("Cache-Control", "no-cache") // the files belong to this very program
		server.ServeHTTP(w, r)
	})
}

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key to the conversation
}
