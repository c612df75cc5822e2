// Command hello is the README's program: everything that a client sends comes back to all its tabs, whatever the network does.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

func main() {
	codec, err := cookie.New(cookie.Options{Insecure: true}, []byte("replace me: 32 secret bytes here"))
	if err != nil {
		log.Fatal(err)
	}
	m := session.New(session.Options{OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
		_, err := s.Send(ctx, in.Message)
		return err
	}})
	r := chi.NewRouter()
	transport.Mount(r, "/live", middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard, transport.Handler(m, transport.Options{}))
	log.Fatal(http.ListenAndServe("localhost:8080", r))
}
