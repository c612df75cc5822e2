package downstream

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/session"
)

// Servers ends links when the http.Server that carries them shuts down, which does not
// tell its handlers. The zero value is ready.
type Servers struct {
	mu    sync.Mutex
	known map[*http.Server]*Server
}

// A Server is one of those that carry links.
type Server struct {
	ctx context.Context // ends when the server begins to shut down

	mu    sync.Mutex
	links map[*session.Link]struct{}
}

// Follow lets the link drain when the server of this request shuts down, until stop is
// called. A server that began to shut down before its very first link cannot be followed:
// net/http does not say so. Its Shutdown waits for the link's age then, or for its own
// context.
func (s *Servers) Follow(r *http.Request, link *session.Link) (stop func()) {
	server := s.Of(r)
	server.mu.Lock()
	server.links[link] = struct{}{}
	server.mu.Unlock()

	if server.ctx.Err() != nil { // drainAll may not have seen the link
		Drain(link)
	}
	return func() {
		server.mu.Lock()
		defer server.mu.Unlock()
		delete(server.links, link)
	}
}

// Of returns the server of this request.
func (s *Servers) Of(r *http.Request) *Server {
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server) // nil in a test of a handler
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known[server]; known != nil {
		return known
	}

	known := &Server{ctx: context.Background(), links: make(map[*session.Link]struct{})}
	if server != nil {
		ctx, cancel := context.WithCancel(known.ctx)
		known.ctx = ctx
		server.RegisterOnShutdown(func() { cancel(); known.drainAll() })
	}
	if s.known == nil {
		s.known = make(map[*http.Server]*Server)
	}
	s.known[server] = known
	return known
}

// Done is closed when the server begins to shut down.
func (s *Server) Done() <-chan struct{} { return s.ctx.Done() }

func (s *Server) drainAll() {
	s.mu.Lock()
	links := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, link := range links {
		Drain(link)
	}
}

// Drain ends a link because its server shuts down; clients reconnect to the next one
// within a second.
func Drain(link *session.Link) { link.Drain(rand.N(time.Second)) }
