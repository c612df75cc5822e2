package stream

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
)

// Servers lets links end when the http.Server that carries them shuts down, which does not tell its handlers. The zero value is ready.
type Servers struct {
	mu    sync.Mutex
	known map[*http.Server]context.Context // each ends with its server
}

// Follow lets the link drain when the server of this request shuts down, until stop is called. A server that began to shut down before its
// very first link cannot be followed: net/http does not say so. Its Shutdown waits for the link's age then, or for its own context.
func (s *Servers) Follow(r *http.Request, link *session.Link) (stop func() bool) {
	return context.AfterFunc(s.Of(r), func() { Drain(link) })
}

// Drain ends a link because its server shuts down; clients come back to the next one within a second.
func Drain(link *session.Link) { link.Drain(rand.N(time.Second)) }

// Of returns a context that ends when the server of this request begins to shut down.
func (s *Servers) Of(r *http.Request) context.Context {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return context.Background()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx, ok := s.known[server]; ok {
		return ctx
	}
	ctx, cancel := context.WithCancel(context.Background())
	server.RegisterOnShutdown(cancel)
	if s.known == nil {
		s.known = make(map[*http.Server]context.Context)
	}
	s.known[server] = ctx
	return ctx
}
