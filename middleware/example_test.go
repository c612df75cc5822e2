package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// A visitor keeps the id from one request to the next. A forged cookie gets a new id.
func Example() {
	codec, err := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Use(middleware.New(middleware.Options{
		Codec:    codec,
		Generate: func(*http.Request) (string, error) { return "visitor-1", nil },
	}).Guard)
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		fmt.Fprintln(w, "hello", id.ID)
	})

	first := get(r, "/", nil)
	fmt.Print(first.Body)
	jar := first.Result().Cookies()
	fmt.Println(jar[0].Name, jar[0].HttpOnly, jar[0].Secure)

	again := get(r, "/", jar)
	fmt.Print(again.Body)
	fmt.Println(len(again.Result().Cookies()), "new cookies")
	// Output:
	// hello visitor-1
	// __Host-mirage true true
	// hello visitor-1
	// 0 new cookies
}

// Validate accepts, replaces or refuses an id that a request presents, or asks the client
// to retry.
func Example_validate() {
	codec, _ := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	errLocked := errors.New("account locked")
	mw := middleware.New(middleware.Options{
		Codec: codec,
		Validate: func(r *http.Request, id string) (string, error) {
			switch id {
			case "ann":
				return "", nil
			case "old-name":
				return "new-name", nil
			case "locked":
				return "", errLocked
			}
			return "", &middleware.Error{Status: http.StatusTooManyRequests, Reason: "too many new accounts"}
		},
	}).Guard
	h := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		fmt.Fprintf(w, "%s, before %q", id.ID, id.Previous)
	}))

	for _, id := range []string{"ann", "old-name", "locked", "other"} {
		signed, _ := codec.Sign(cookie.ID, id)
		res := get(h, "/", []*http.Cookie{{Name: "__Host-mirage", Value: signed}})
		fmt.Println(res.Code, detail(res))
	}
	// Output:
	// 200 ann, before ""
	// 200 new-name, before "old-name"
	// 403 the id was refused
	// 429 too many new accounts
}

// At a log-in the id changes, so that an id that somebody planted or saw before is
// worthless.
func ExampleRotate() {
	codec, _ := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	next := 0
	mw := middleware.New(middleware.Options{Codec: codec, Generate: func(*http.Request) (string, error) {
		next++
		return fmt.Sprint("visitor-", next), nil
	}}).Guard
	login := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, _ := middleware.FromContext(r.Context())
		id, err := middleware.Rotate(w, r)
		fmt.Fprintln(w, before.ID, "is now", id, err)
	}))

	res := get(login, "/", nil)
	fmt.Print(res.Body)
	fmt.Println(len(res.Result().Cookies()), "cookie")
	// Output:
	// visitor-1 is now visitor-2 <nil>
	// 1 cookie
}

// A handler can be tested without the middleware.
func ExampleNewContext() {
	h := func(w http.ResponseWriter, r *http.Request) {
		id, err := middleware.Require(w, r)
		fmt.Fprint(w, id.ID, " ", err)
	}
	r := httptest.NewRequest("POST", "/", nil)
	w := httptest.NewRecorder()
	h(w, r.WithContext(middleware.NewContext(r.Context(), middleware.Identity{ID: "ann"})))
	fmt.Println(w.Body)
	// Output: ann <nil>
}

func get(h http.Handler, path string, cookies []*http.Cookie) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", path, nil), httptest.NewRecorder()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	if strings.HasPrefix(path, "/live") {
		r.Header.Set("Accept", "text/event-stream") // without it, no cookie counts there
	}
	h.ServeHTTP(w, r)
	return w
}

// detail returns the reason of a refusal, which is a problem document (RFC 9457), and any
// other response unchanged.
func detail(res *httptest.ResponseRecorder) string {
	var problem struct{ Detail string }
	if json.Unmarshal(res.Body.Bytes(), &problem) != nil {
		return res.Body.String()
	}
	return problem.Detail
}

// One id for each login. The accounts' own session is a cookie "user" here. A real site
// uses scs or gorilla/sessions.
func Example_login() {
	codec, _ := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	m := session.New(session.Options{})
	defer m.Shutdown(context.Background())
	var owners sync.Map // mirage id → user
	user := func(r *http.Request) string {
		c, err := r.Cookie("user")
		if err != nil {
			return ""
		}
		return c.Value
	}

	pages := middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard
	links := middleware.New(middleware.Options{
		Codec:    codec,
		Sessions: m,
		Validate: func(r *http.Request, id string) (string, error) {
			if owner, ok := owners.Load(id); ok && owner != user(r) {
				return "", &middleware.Error{Status: http.StatusForbidden, Reason: "log in again"} // close, code 4403
			}
			return "", nil
		},
	}).Guard

	r := chi.NewRouter()
	r.With(links).Handle("/live", transport.Handler(m, transport.Options{}))
	r.Group(func(r chi.Router) {
		r.Use(pages)
		r.Get("/login", func(w http.ResponseWriter, r *http.Request) { // use POST in a real site
			id, err := middleware.Rotate(w, r)
			if id == "" {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			owners.Store(id, "ann")
			http.SetCookie(w, &http.Cookie{Name: "user", Value: "ann"})
		})
		r.Get("/logout", func(w http.ResponseWriter, r *http.Request) {
			id, _ := middleware.FromContext(r.Context())
			if err := middleware.Logout(w, r); err != nil {
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
			owners.Delete(id.ID)
			http.SetCookie(w, &http.Cookie{Name: "user", MaxAge: -1})
		})
	})

	link := func(jar []*http.Cookie) {
		fmt.Println("/live", get(r, "/live?_wait=0", jar).Code)
	}

	jar := get(r, "/login", nil).Result().Cookies()
	link(jar)
	link(jar[:1]) // the accounts' cookie has expired
	get(r, "/logout", jar)
	link(jar) // from another tab
	// Output:
	// /live 200
	// /live 403
	// /live 410
}
