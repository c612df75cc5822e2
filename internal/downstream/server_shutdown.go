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

// Servers ends links when their http.Server shuts down, because http.Server does not tell
// its handlers. The zero value is ready to use.
type Servers struct {
	mu    sync.Mutex
	known map[*http.Server]*Server
}

// A Server is an http.Server that carries links.
type Server struct {
	ctx context.Context // ends when the server begins to shut down

	mu    sync.Mutex
	links map[*session.Link]struct{}
}

// Follow drains the link when the server of this request shuts down, until stop is
// called. If the server began to shut down before its first link, Follow cannot know
// that, because net/http does not report it. The server's Shutdown then waits until the
// link's age or its own context ends.
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

// Of returns the Server of this request.
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

// Done returns a channel that is closed when the server begins to shut down.
func (s *Server) Done() <-chan struct{} { return s.ctx.Done() }

func (s *Server) drainAll() {
	s.mu.Lock()
	links := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	for _, link := range links {
		Drain(link)
	}
}

// Drain ends a link because its server shuts down. Clients reconnect to another one
// within a second.
func Drain(link *session.Link) { link.Drain(rand.N(time.Second)) }
