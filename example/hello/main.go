// Command hello is the program in the README: it sends each message of a client back to
// all of the client's tabs, even if the network fails in between. Start it in its own
// directory, next to public/index.html.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/mirage-go/mirage"
)

func main() {
	live := mirage.New(mirage.Options{Insecure: true, OnMessage: echo})
	r := chi.NewRouter()
	r.Use(live.Identify)
	r.Mount("/live", live)
	r.Handle("/*", http.FileServer(http.Dir("public")))
	log.Fatal(http.ListenAndServe("localhost:8080", r))
}

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}
