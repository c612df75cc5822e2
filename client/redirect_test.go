package client_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// C1: a redirect within the host is followed, also by POST and WebSocket, and the client
// keeps to the new path.
func TestC1Redirect(t *testing.T) {
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusPermanentRedirect} {
		eachTransport(t, mirage.Options{}, func(s *site, o client.Options) {
			var redirects atomic.Int64
			inner := s.server.Handler
			s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if path, ok := strings.CutPrefix(r.URL.Path, "/old"); ok {
					redirects.Add(1)
					http.Redirect(w, r, path+"?"+r.URL.RawQuery, status)
					return
				}
				inner.ServeHTTP(w, r)
			})
			s.url = strings.Replace(s.url, "/live", "/old/live", 1)
			c := s.connect(o)
			for _, text := range numbers(0, 3) {
				s.say(c, text)
				s.send(c, text)
				equal(s, take(s, c.Messages, 1), text)
				time.Sleep(15 * time.Minute)
			}
			s.has(numbers(0, 3)...)
			if n := redirects.Load(); n > 2 {
				s.Errorf("the client was redirected %d times", n)
			}
		})
	}
}

// C1: a gateway that answers for the server does not end a client. What was sent arrives
// when it has gone.
func TestC1Gateway(t *testing.T) {
	for _, status := range []int{204, 400, 401, 403, 404, 409, 410, 429, 500, 502, 503, 504} {
		eachTransport(t, mirage.Options{Retention: time.Hour}, func(s *site, o client.Options) {
			var isDown atomic.Bool
			inner := s.server.Handler
			s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if isDown.Load() {
					w.WriteHeader(status)
					return
				}
				inner.ServeHTTP(w, r)
			})
			c := s.connect(o)
			id := c.ID()
			s.send(c, "one")
			isDown.Store(true)
			s.say(c, "up")
			time.Sleep(20 * time.Minute)
			s.send(c, "two")
			isDown.Store(false)
			equal(s, take(s, c.Messages, 2), "one", "two")
			time.Sleep(time.Minute)
			s.has("up")
			if c.ID() != id {
				s.Errorf("the id was %q and is %q", id, c.ID())
			}
		})
	}
}

// C1: a network without WebSocket, or that holds streams back, leaves the transports that
// work.
func TestC1Fallback(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		isRefused  func(*http.Request) bool
		answer     http.HandlerFunc
	}{
		{"no upgrades", client.SSE, isUpgrade, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusBadGateway)
		}},
		{"forbidden upgrades", client.SSE, isUpgrade, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusForbidden)
		}},
		{"upgrades hang", client.SSE, isUpgrade, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"streams hang", client.Poll, isStream, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{"no streams", client.Poll, isStream, problem(http.StatusNotImplemented)},
		{"silent streams", client.Poll, isStream, func(w http.ResponseWriter, r *http.Request) {
			stream(strings.Replace(hello, `"id":"a"`, `"id":"0123456789abcdef"`, 1))(w, r)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onSite(t, mirage.Options{}, func(s *site) {
				inner := s.server.Handler
				s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodGet && tt.isRefused(r) {
						tt.answer(w, r)
						return
					}
					inner.ServeHTTP(w, r)
				})
				c := s.connect(client.Options{})
				time.Sleep(30 * time.Second)
				if got := c.State(); got.Phase != client.PhaseOpen || got.Transport != tt.want {
					s.Errorf("the state is %+v", got)
				}
				s.say(c, "up")
				time.Sleep(time.Second)
				s.has("up")
			})
		})
	}
}

func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }
func isStream(r *http.Request) bool  { return !r.URL.Query().Has("_wait") }
