package miragetest

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// A process is what Start starts and Stop stops.
type process struct {
	listener net.Listener
	server   *http.Server

	mu      sync.Mutex
	conns   []net.Conn
	running map[*http.Request]string // what handlers are at work on
	ended   chan struct{}            // replaced and closed whenever a handler ends
	stopped bool
}

func startProcess(l net.Listener, h http.Handler) *process {
	p := &process{listener: l, running: map[*http.Request]string{}, ended: make(chan struct{})}
	p.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name := r.Method + " " + r.URL.Path // r belongs to the handler now
			p.note(r, name)
			defer p.note(r, "")
			h.ServeHTTP(w, r)
		}),
		// Connections die when a test says so. That is no news.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
	}
	go p.server.Serve(keeper{l, p}) // ends in stop
	return p
}

// note notes what a handler is at work on, or that it has ended.
func (p *process) note(r *http.Request, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name != "" {
		p.running[r] = name
		return
	}
	delete(p.running, r)
	close(p.ended)
	p.ended = make(chan struct{})
}

// stop ends the process. It returns what a handler is still at work on after the time, or
// "".
func (p *process) stop(within time.Duration) (running string) {
	p.server.Close()
	p.mu.Lock()
	p.stopped = true
	for _, c := range p.conns { // also those that were hijacked
		reset(c)
	}
	p.mu.Unlock()

	late := time.NewTimer(within)
	defer late.Stop()
	for {
		p.mu.Lock()
		running, ended := "", p.ended
		for _, running = range p.running {
			break
		}
		p.mu.Unlock()
		if running == "" {
			return ""
		}
		select {
		case <-ended:
		case <-late.C:
			return running
		}
	}
}

// A keeper is a listener whose connections end with the process.
type keeper struct {
	net.Listener
	p *process
}

func (k keeper) Accept() (net.Conn, error) {
	c, err := k.Listener.Accept()
	if err != nil {
		return nil, err
	}
	k.p.mu.Lock()
	defer k.p.mu.Unlock()
	if k.p.stopped {
		reset(c)
	}
	k.p.conns = append(k.p.conns, c)
	return c, nil
}
