package transport_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

type wrapper = func(http.Handler) http.Handler

var quietLogger = chimw.RequestLogger(&chimw.DefaultLogFormatter{Logger: log.New(io.Discard, "", 0)})

// others are the middlewares of other people under which the transports work.
func others(sessions *scs.SessionManager) map[string][]wrapper {
	return map[string][]wrapper{
		"Logger":                      {quietLogger},
		"Recoverer":                   {chimw.Recoverer},
		"RequestID":                   {chimw.RequestID},
		"Compress":                    {chimw.Compress(5)},
		"Compress with event streams": {chimw.Compress(5, "text/event-stream")},
		"Compress with all text":      {chimw.Compress(5, "text/*")},
		"Timeout":                     {chimw.Timeout(time.Minute)},
		"Throttle":                    {chimw.Throttle(10)},
		"NoCache":                     {chimw.NoCache},
		"GetHead":                     {chimw.GetHead},
		"StripSlashes":                {chimw.StripSlashes},
		"RequestSize":                 {chimw.RequestSize(1 << 20)},
		"ClientIP":                    {chimw.ClientIPFromRemoteAddr},
		"httprate":                    {chimw.ClientIPFromRemoteAddr, httprate.LimitBy(1000, time.Minute, byClient)},
		"scs":                         {sessions.LoadAndSave},
		"all of them": {
			chimw.RequestID, quietLogger, chimw.Recoverer, chimw.Compress(5, "text/event-stream"), chimw.NoCache,
			chimw.GetHead, chimw.StripSlashes, chimw.Throttle(10), chimw.Timeout(time.Minute), sessions.LoadAndSave,
		},
		"one that only unwraps": {
			wrapping(func(w http.ResponseWriter) http.ResponseWriter { return unwrapper{w} }),
		},
		"one that only has http.Flusher": {
			wrapping(func(w http.ResponseWriter) http.ResponseWriter { return flusher{w, w.(http.Flusher)} }),
		},
	}
}

func byClient(r *http.Request) (string, error) {
	return httprate.CanonicalizeIP(chimw.GetClientIP(r.Context())), nil
}

func wrapping(wrap func(http.ResponseWriter) http.ResponseWriter) wrapper {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(wrap(w), r) })
	}
}

// unwrapper is a writer as new middleware has it, flusher one as old middleware has it:
// without deadlines.
type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Header() http.Header         { return u.w.Header() }
func (u unwrapper) Write(b []byte) (int, error) { return u.w.Write(b) }
func (u unwrapper) WriteHeader(status int)      { u.w.WriteHeader(status) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

type flusher struct {
	w http.ResponseWriter
	http.Flusher
}

func (f flusher) Header() http.Header         { return f.w.Header() }
func (f flusher) Write(b []byte) (int, error) { return f.w.Write(b) }
func (f flusher) WriteHeader(status int)      { f.w.WriteHeader(status) }

// L3: behind other people's middleware a whole exchange succeeds on every transport, with
// a client that takes gzip.
func TestL3Others(t *testing.T) {
	sessions := &scs.SessionManager{ // not scs.New: its store has a goroutine for good
		Lifetime: time.Hour,
		Store:    memstore.NewWithCleanupInterval(0),
		Codec:    scs.GobCodec{},
		Cookie:   scs.SessionCookie{Name: "session", Path: "/"},
	}
	for name, around := range others(sessions) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := started(t, setup{session: session.Options{OnAttach: greet}, around: around})
			of := ways
			if name == "one that only has http.Flusher" { // nothing can be taken over there
				of = answers
			}

			for way, f := range of {
				c := s.client(nil)
				c.Transport.(*http.Transport).DisableCompression = false
				if err := exchange(s, s.url(), c, f); err != nil {
					t.Errorf("%s: %v", way, err)
				}
			}

			if complaints := s.log.String(); complaints != "" {
				t.Errorf("net/http complains: %s", complaints)
			}
		})
	}
}

// L3: all transports work wherever a handler can be mounted.
func TestL3Mounts(t *testing.T) {
	for name, mount := range map[string]func(s *site) http.Handler{
		"ServeMux": func(s *site) http.Handler {
			m := http.NewServeMux()
			m.Handle("/live", s.mw(s.live))
			return m
		},
		"ServeMux with a subtree": func(s *site) http.Handler {
			m, sub := http.NewServeMux(), http.NewServeMux()
			sub.Handle("/live", s.mw(s.live))
			m.Handle("/", http.StripPrefix("", sub))
			return m
		},
		"chi Use": func(s *site) http.Handler {
			r := chi.NewRouter()
			r.Use(s.mw)
			r.Handle("/live", s.live)
			return r
		},
		"chi With": func(s *site) http.Handler {
			r := chi.NewRouter()
			r.With(s.mw).Handle("/live", s.live)
			return r
		},
		"chi Mount": func(s *site) http.Handler { r := chi.NewRouter(); r.Mount("/live", s.mw(s.live)); return r },
		"chi Group": func(s *site) http.Handler {
			r := chi.NewRouter()
			r.Group(func(r chi.Router) { r.Use(s.mw); r.Handle("/live", s.live) })
			return r
		},
		"chi Route": func(s *site) http.Handler {
			r := chi.NewRouter()
			r.Route("/live", func(r chi.Router) { r.Use(s.mw); r.Handle("/", s.live) })
			return r
		},
		"chi sub-router": func(s *site) http.Handler {
			r, sub := chi.NewRouter(), chi.NewRouter()
			sub.With(s.mw).Handle("/", s.live)
			r.Mount("/live", sub)
			return r
		},
		"chi methods": func(s *site) http.Handler {
			r := chi.NewRouter()
			live := r.With(s.mw)
			live.Get("/live", s.live.ServeHTTP)
			live.Post("/live", s.live.ServeHTTP)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, setup{session: session.Options{OnAttach: greet}})
			s.srv.Config.Handler = mount(s)
			s.srv.Start()
			for way, f := range ways {
				if err := exchange(s, s.url(), s.client(nil), f); err != nil {
					t.Errorf("%s: %v", way, err)
				}
			}
		})
	}
}

// L3: where a response cannot be flushed, a stream is refused with an error that says why
// and what works, and long-poll works.
func TestL3NoFlush(t *testing.T) {
	for name, around := range map[string]wrapper{
		"TimeoutHandler": func(next http.Handler) http.Handler { return http.TimeoutHandler(next, time.Minute, "") },
		"a writer without Flush and Unwrap": wrapping(func(w http.ResponseWriter) http.ResponseWriter {
			return struct{ http.ResponseWriter }{w}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := started(t, setup{session: session.Options{OnAttach: greet}, around: []wrapper{around}})

			for _, query := range []string{"?_cid=0123456789012345678901", ""} {
				r, _ := http.NewRequest("GET", s.url()+query, nil)
				r.Header.Set("Accept", "text/event-stream")
				resp, err := s.client(nil).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 501 || !strings.Contains(string(body), "http.Flusher") ||
					!strings.Contains(string(body), "_wait") {
					t.Errorf("%q: %s %s", query, resp.Status, body)
				}
			}

			if sent, err := s.m.Broadcast(t.Context(), store.Text("x")); err != nil || sent.Sessions > 0 {
				t.Errorf("refused streams made sessions: %+v, %v", sent, err)
			}
			if err := exchange(s, s.url(), s.client(nil), ways["poll"]); err != nil {
				t.Error(err)
			}
		})
	}
}

// L3: a middleware that ends a request after a while (chi's Timeout, http.TimeoutHandler)
// costs no message and causes no error: before that, the stream ends and its client
// reconnects, and the poll is answered.
func TestL3Timeouts(t *testing.T) {
	handler := func(next http.Handler) http.Handler { return http.TimeoutHandler(next, 10*time.Second, "") }

	for _, tt := range []struct {
		name   string
		around wrapper
		wait   string
	}{
		{"Timeout, stream", chimw.Timeout(10 * time.Second), ""},
		{"Timeout, poll", chimw.Timeout(10 * time.Second), "25"},
		{"TimeoutHandler, poll", handler, "25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, setup{around: []wrapper{tt.around}}, func(w *world) {
				tab := w.browser().tab()
				if tt.wait != "" {
					tab.poll(tt.wait)
					start := time.Now()
					if a := tab.poll(tt.wait); a.status != 200 || a.body != "" || time.Since(start) > 10*time.Second {
						t.Errorf("an idle poll is answered %d %q after %v", a.status, a.body, time.Since(start))
					}
					w.send(tab.hello.ID, "a")
					tab.poll(tt.wait)
				} else {
					tab.b.streams = true // a WebSocket's handler has returned long before
					l := tab.open()
					<-l.done
					if l.err != nil || tab.told[len(tab.told)-1] != "mirage-drain" {
						t.Errorf("the stream ended with %v, told %v", l.err, tab.told)
					}
					w.send(tab.hello.ID, "a")
					tab.open()
				}

				tab.has("a")
				if !tab.hello.Resumed && tt.wait == "" {
					t.Errorf("hello %+v", tab.hello)
				}
			})
		})
	}
}

// L3: a stream that keeps its handler holds a token of Throttle as long as it lives, and
// further requests get Throttle's own answer until a token is free. A hijacked stream
// returns its token at once.
func TestL3Throttle(t *testing.T) {
	beside := 200
	if *plain {
		beside = 429
	}
	inWorld(t, setup{around: []wrapper{chimw.Throttle(1)}}, func(w *world) {
		first, second := w.browser().tab(), w.browser().tab()
		l := first.open()
		if a := second.poll("25"); a.status != beside {
			t.Errorf("beside a stream: %d", a.status)
		}
		l.close()
		if a := second.poll("1"); a.status != 200 {
			t.Errorf("after it: %d", a.status)
		}
	})
}

// L3, L: a server's ReadTimeout, WriteTimeout and IdleTimeout do not end what lives
// longer than they are, over HTTP/1 and HTTP/2.
func TestL3ServersTimeouts(t *testing.T) {
	short := func(s *http.Server) {
		s.ReadTimeout, s.ReadHeaderTimeout = time.Second, time.Second
		s.WriteTimeout, s.IdleTimeout = 2*time.Second, 2*time.Second
	}

	for name, version := range versions {
		for _, wait := range []string{"", "25"} {
			t.Run(name+" _wait="+wait, func(t *testing.T) {
				inWorld(t, setup{server: func(s *http.Server) { short(s); version.server(s) }}, func(w *world) {
					b := w.browser()
					version.client(b)
					tab := b.tab()

					if wait == "" {
						l := tab.open()
						time.Sleep(time.Minute)
						w.send(tab.hello.ID, "a")
						tab.has("a")
						tab.say("b")
						select {
						case <-l.done:
							t.Errorf("the stream was cut: %v", l.err)
						default:
						}
						return
					}

					tab.poll(wait)
					go func() {
						time.Sleep(10 * time.Second)
						_, _ = w.m.Send(context.Background(), tab.hello.ID, store.Text("a"))
					}()
					tab.poll(wait)
					tab.has("a")
					if a := tab.poll(wait); a.status != 200 || a.body != "" {
						t.Errorf("an idle poll: %d %q", a.status, a.body)
					}
					synctest.Wait()
				})
			})
		}
	}
}
