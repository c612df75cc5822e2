// Command chat is a chat whose visitors and messages survive whatever the network does.
package main

import (
	"context"
	"crypto/rand"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

func main() {
	key := make([]byte, 32)
	rand.Read(key)
	codec, err := cookie.New(cookie.Options{Insecure: true}, key)
	if err != nil {
		log.Fatal(err)
	}
	m := session.New(session.Options{OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
		_, err := s.Broadcast(ctx, session.Message{Event: "chat", Data: in.Data})
		return err
	}})
	r := chi.NewRouter()
	transport.Mount(r, "/live", middleware.New(middleware.Options{Codec: codec, Sessions: m}), transport.Handler(m, transport.Options{}))
	log.Println("http://localhost:8080")
	log.Fatal(http.ListenAndServe("localhost:8080", r))
}
