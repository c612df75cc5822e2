package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A gate is in front of the server. It notes each request, and can answer in the server's
// place.
type gate struct {
	w *world

	mu       sync.Mutex
	requests []request
	answer   func(http.ResponseWriter, *request) bool // reports whether it has answered; may be nil
	around   func(http.Handler) http.Handler          // changes the server's answers; may be nil
}

// A request is one that has come.
type request struct {
	*http.Request
	at    time.Time
	token string
	body  string // of a POST
}

// opens reports whether it asks for a new link. Any value of Mirage-Link opens a stream.
func (r *request) opens() bool {
	return r.Method == http.MethodGet && (r.token == "" || !r.URL.Query().Has("_wait"))
}

func newGate(w *world) *gate { return &gate{w: w} }

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := request{Request: r, at: time.Now(), token: r.Header.Get("Mirage-Link")}
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			panic(http.ErrAbortHandler) // the network has cut it
		}
		req.body, r.Body = string(body), io.NopCloser(bytes.NewReader(body))
	}
	g.mu.Lock()
	g.requests = append(g.requests, req)
	answer, around := g.answer, g.around
	g.mu.Unlock()

	if answer != nil && answer(w, &req) {
		return
	}
	var handler http.Handler = g.w.live.Load()
	if around != nil {
		handler = around(handler)
	}
	handler.ServeHTTP(w, r)
}

// use sets what answers in the server's place.
func (g *gate) use(answer func(http.ResponseWriter, *request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = answer
}

// change sets what changes the server's answers.
func (g *gate) change(around func(http.Handler) http.Handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.around = around
}

// which returns the requests so far that match.
func (g *gate) which(match func(*request) bool) (found []request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.requests {
		if match(&r) {
			found = append(found, r)
		}
	}
	return found
}

// problem answers as Mirage does.
func problem(w http.ResponseWriter, status int, retry string) {
	w.Header().Set("Content-Type", "application/problem+json")
	if retry != "" {
		w.Header().Set("Retry-After", retry)
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"about:blank","title":%q,"status":%d,"detail":"this case says so"}`,
		http.StatusText(status), status)
}

// page answers as a gateway does.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprint(w, "<h1>A gateway says no</h1>")
}

// loseAnswer lets the server handle a request, and closes the connection in place of the
// answer.
func loseAnswer(server http.Handler, w http.ResponseWriter, r *http.Request) {
	server.ServeHTTP(&discarding{header: http.Header{}}, r)
	panic(http.ErrAbortHandler)
}

type discarding struct{ header http.Header }

func (d *discarding) Header() http.Header             { return d.header }
func (d *discarding) Write(b []byte) (int, error)     { return len(b), nil }
func (d *discarding) WriteHeader(int)                 {}
func (d *discarding) SetReadDeadline(time.Time) error { return nil }

// A repeater sends each block with a message twice, as if two links had brought it.
type repeater struct{ http.ResponseWriter }

func repeat(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" {
			w = repeater{w}
		}
		next.ServeHTTP(w, r)
	})
}

func (r repeater) Unwrap() http.ResponseWriter { return notHijacked(r) }

// notHijacked hides that the connection could be taken over.
type notHijacked struct{ http.ResponseWriter }

func (n notHijacked) Flush() { n.ResponseWriter.(http.Flusher).Flush() }

func (n notHijacked) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(n.ResponseWriter).SetWriteDeadline(t)
}

func (n notHijacked) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(n.ResponseWriter).SetReadDeadline(t)
}

func (r repeater) Flush() { r.ResponseWriter.(http.Flusher).Flush() }

func (r repeater) Write(b []byte) (int, error) {
	blocks := slices.Collect(bytes.SplitSeq(b, []byte("\n\n")))
	var out []byte
	for i, block := range blocks {
		if i == len(blocks)-1 {
			out = append(out, block...)
			break
		}
		text := append(bytes.Clone(block), "\n\n"...)
		out = append(out, text...)
		if s := string(block); strings.Contains(s, "data:") && strings.Contains(s, "id: ") &&
			!strings.Contains(s, "event: mirage") {
			out = append(out, text...)
		}
	}
	if _, err := r.ResponseWriter.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
