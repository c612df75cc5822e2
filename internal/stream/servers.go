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

// Follow lets the link drain when the server of this request shuts down, until stop is called.
func (s *Servers) Follow(r *http.Request, link *session.Link) (stop func() bool) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return func() bool { return true }
	}
	return context.AfterFunc(s.context(server), func() { link.Drain(rand.N(time.Second)) })
}

func (s *Servers) context(server *http.Server) context.Context {
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
