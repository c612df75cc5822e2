package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/go-chi/chi/v5"
	chimw "github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

func hello(w http.ResponseWriter, r *http.Request) {
	id, ok := middleware.FromContext(r.Context())
	fmt.Fprint(w, id.ID, " ", ok)
}

// The middleware works wherever chi mounts one, on a bare ServeMux, and among other
// people's middleware.
func TestMounts(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	var room string
	mw := middleware.New(middleware.Options{Codec: codec, Validate: func(r *http.Request, _ string) (string, error) {
		room = r.PathValue("room") // chi sets it, too
		return "", nil
	}}).Guard

	signed, _ := codec.Sign(cookie.ID, "ann")
	sessions := scs.New()
	mount := map[string]func() http.Handler{
		"ServeMux": func() http.Handler {
			m := http.NewServeMux()
			m.Handle("GET /{room}/rt", mw(http.HandlerFunc(hello)))
			return m
		},
		"chi Use":  func() http.Handler { r := chi.NewRouter(); r.Use(mw); r.Get("/a/rt", hello); return r },
		"chi With": func() http.Handler { r := chi.NewRouter(); r.With(mw).Get("/{room}/rt", hello); return r },
		"chi Group": func() http.Handler {
			r := chi.NewRouter()
			r.Group(func(r chi.Router) { r.Use(mw); r.Get("/a/rt", hello) })
			return r
		},
		"chi Route": func() http.Handler {
			r := chi.NewRouter()
			r.Route("/a", func(r chi.Router) { r.Use(mw); r.Get("/rt", hello) })
			return r
		},
		"chi Mount": func() http.Handler {
			r := chi.NewRouter()
			r.Mount("/a", mw(http.HandlerFunc(hello)))
			return r
		},
		"among others": func() http.Handler {
			r := chi.NewRouter()
			r.Use(chimw.RequestID, chimw.ClientIPFromRemoteAddr, chimw.Logger, chimw.Recoverer, chimw.Compress(5),
				httprate.LimitBy(100, time.Minute, byClient), sessions.LoadAndSave, mw)
			r.Get("/a/rt", hello)
			return r
		},
		"outside others": func() http.Handler {
			r := chi.NewRouter()
			r.Use(mw, sessions.LoadAndSave,
				chimw.Compress(5), chimw.Timeout(time.Minute), chimw.Throttle(10), chimw.GetHead)
			r.Get("/a/rt", hello)
			return r
		},
	}

	for name, handler := range mount {
		t.Run(name, func(t *testing.T) {
			h := handler()
			room = ""
			w := httptest.NewRecorder()
			h.ServeHTTP(w, request("GET", "/a/rt", withCookie(signed)))
			if w.Body.String() != "ann true" {
				t.Errorf("%d %q", w.Code, w.Body)
			}
			if known := name == "ServeMux" || name == "chi With"; known != (room == "a") {
				t.Errorf("Validate saw the room %q", room)
			}

			w = httptest.NewRecorder()
			h.ServeHTTP(w, request("GET", "/a/rt"))
			if cookieOf(w.Result()) == "" {
				t.Errorf("no cookie: %d %v", w.Code, w.Header())
			}
		})
	}
}

// The middleware and scs each set their own cookie in one response.
func TestBesideSCS(t *testing.T) {
	sessions := scs.New()
	mw := middleware.New(middleware.Options{Codec: newCodec(t, cookie.Options{})}).Guard
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), "user", 1)
		if _, err := middleware.Rotate(w, r); err != nil {
			t.Error(err)
		}
		hello(w, r)
	})
	for name, h := range map[string]http.Handler{
		"inside":  sessions.LoadAndSave(mw(app)),
		"outside": mw(sessions.LoadAndSave(app)),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", "/"))
		names := map[string]int{}
		for _, c := range w.Result().Cookies() {
			names[c.Name]++
		}
		if len(names) != 2 || names["session"] != 1 || names[cookieName] != 1 {
			t.Errorf("%s: %v", name, names)
		}
	}
}

// byClient is the recipe for limits per address: chi's ClientIPFrom… finds the client's
// address.
func byClient(r *http.Request) (string, error) {
	return httprate.CanonicalizeIP(chimw.GetClientIP(r.Context())), nil
}

// Behind httprate no hook runs for requests that it refuses.
func TestBehindRateLimit(t *testing.T) {
	hooks := 0
	mw := middleware.New(middleware.Options{
		Codec:    newCodec(t, cookie.Options{}),
		Generate: func(*http.Request) (string, error) { hooks++; return fmt.Sprint("id", hooks), nil },
	}).Guard
	h := chimw.ClientIPFromRemoteAddr(httprate.LimitBy(3, time.Hour, byClient)(mw(http.HandlerFunc(hello))))
	for range 10 {
		h.ServeHTTP(httptest.NewRecorder(), request("GET", "/"))
	}
	if hooks != 3 {
		t.Errorf("%d hooks", hooks)
	}
}
