package middleware_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

// A visitor keeps the id from one request to the next, and a forged cookie makes somebody new.
func Example() {
	codec, err := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	if err != nil {
		panic(err)
	}
	r := chi.NewRouter()
	r.Use(middleware.New(middleware.Options{
		Codec:    codec,
		Generate: func(*http.Request) (string, error) { return "visitor-1", nil },
	}))
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		fmt.Fprintln(w, "hello", id.ID)
	})

	first := get(r, nil)
	fmt.Print(first.Body)
	jar := first.Result().Cookies()
	fmt.Println(jar[0].Name, jar[0].HttpOnly, jar[0].Secure)

	again := get(r, jar)
	fmt.Print(again.Body)
	fmt.Println(len(again.Result().Cookies()), "new cookies")
	// Output:
	// hello visitor-1
	// __Host-mirage true true
	// hello visitor-1
	// 0 new cookies
}

// Validate decides about an id that came: take it, replace it, refuse it, or ask the client to come back.
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
	})
	h := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		fmt.Fprintf(w, "%s, before %q", id.ID, id.Previous)
	}))

	for _, id := range []string{"ann", "old-name", "locked", "other"} {
		signed, _ := codec.Sign(cookie.ID, id)
		res := get(h, []*http.Cookie{{Name: "__Host-mirage", Value: signed}})
		fmt.Println(res.Code, res.Body)
	}
	// Output:
	// 200 ann, before ""
	// 200 new-name, before "old-name"
	// 403 {"type":"about:blank","title":"Forbidden","status":403,"detail":"the id was refused"}
	// 429 {"type":"about:blank","title":"Too Many Requests","status":429,"detail":"too many new accounts"}
}

// At a log-in the id changes, so that one which somebody planted or saw before is worth nothing.
func ExampleRotate() {
	codec, _ := cookie.New(cookie.Options{}, []byte("32 bytes of crypto/rand, not this"))
	next := 0
	mw := middleware.New(middleware.Options{Codec: codec, Generate: func(*http.Request) (string, error) {
		next++
		return fmt.Sprint("visitor-", next), nil
	}})
	login := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, _ := middleware.FromContext(r.Context())
		id, err := middleware.Rotate(w, r)
		fmt.Fprintln(w, before.ID, "is now", id, err)
	}))

	res := get(login, nil)
	fmt.Print(res.Body)
	fmt.Println(len(res.Result().Cookies()), "cookie")
	// Output:
	// visitor-1 is now visitor-2 <nil>
	// 1 cookie
}

// A handler is tested without the middleware.
func ExampleNewContext() {
	h := func(w http.ResponseWriter, r *http.Request) {
		id, err := middleware.Require(r)
		fmt.Fprint(w, id.ID, " ", err)
	}
	r := httptest.NewRequest("POST", "/", nil)
	w := httptest.NewRecorder()
	h(w, r.WithContext(middleware.NewContext(r.Context(), middleware.Identity{ID: "ann"})))
	fmt.Println(w.Body)
	// Output: ann <nil>
}

func get(h http.Handler, cookies []*http.Cookie) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	h.ServeHTTP(w, r)
	return w
}
