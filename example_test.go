package mirage_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// person is a browser in the examples. It keeps cookies.
type person struct {
	http *http.Client
	url  string
}

func newPerson(server *httptest.Server) person {
	jar, _ := cookiejar.New(nil)
	return person{&http.Client{Jar: jar}, server.URL}
}

// ask sends a request and returns the status and body of the response.
func (p person) ask(method, path, body string) (int, string) {
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := p.http.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

// A visitor opens a page, sends a message, and receives the answer by a poll.
func ExampleNew() {
	live := mirage.New(mirage.Options{
		Insecure: true,
		Logger:   slog.New(slog.DiscardHandler), // New warns about Insecure and about missing Keys
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			_, err := s.Send(ctx, mirage.Text("you said "+string(in.Data)))
			return err
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/live/", live)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "you have an id: ", live.ID(r) != "")
	})

	server := httptest.NewServer(live.Identify(mux))
	defer server.Close()
	defer live.Shutdown(context.Background())

	ann := newPerson(server)
	fmt.Println(ann.ask("GET", "/", ""))
	ann.ask("GET", "/live/?_wait=0", "")
	ann.ask("POST", "/live/", "hello")
	_, poll := ann.ask("GET", "/live/?_wait=0", "")
	fmt.Println(strings.Contains(poll, "data: you said hello\n"))
	// Output:
	// 200 you have an id: true
	// true
}

// Accounts: each log-in and log-out gives the visitor another id, and the application
// remembers the owner of each id. Validate ends a link when the account's own session
// ends. That session is a cookie here, and usually scs or gorilla/sessions.
func Example_logIn() {
	var owners sync.Map // id → user
	userOf := func(r *http.Request) string {
		c, err := r.Cookie("user")
		if err != nil {
			return ""
		}
		return c.Value
	}

	live := mirage.New(mirage.Options{
		Insecure: true,
		Logger:   slog.New(slog.DiscardHandler),
		Validate: func(r *http.Request, id string) (string, error) {
			if owner, ok := owners.Load(id); ok && owner != userOf(r) {
				return "", &mirage.Error{Status: http.StatusForbidden, Reason: "log in again"}
			}
			return "", nil
		},
		Value: func(r *http.Request) any { return userOf(r) },
		OnAttach: func(ctx context.Context, s *mirage.Session, _ mirage.Reader) {
			user, _ := mirage.Value[string](ctx)
			fmt.Printf("a tab of %q\n", user)
		},
	})

	r := chi.NewRouter()
	r.Use(live.Identify)
	r.Mount("/live", live)
	r.Post("/login", func(w http.ResponseWriter, r *http.Request) { // the password has been checked
		id, err := live.Rotate(w, r)
		if id == "" { // otherwise it is the new id, even if err is not nil
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		owners.Store(id, "ann")
		http.SetCookie(w, &http.Cookie{Name: "user", Value: "ann", Path: "/"})
	})
	r.Post("/logout", func(w http.ResponseWriter, r *http.Request) {
		id := live.ID(r)
		if err := live.Logout(w, r); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		}
		owners.Delete(id)
		http.SetCookie(w, &http.Cookie{Name: "user", Path: "/", MaxAge: -1})
	})

	server := httptest.NewServer(r)
	defer server.Close()
	defer live.Shutdown(context.Background())

	ann := newPerson(server)
	ann.ask("GET", "/live?_wait=0", "")
	ann.ask("POST", "/login", "")
	ann.ask("GET", "/live?_wait=0", "")
	ann.ask("POST", "/logout", "")
	ann.ask("GET", "/live?_wait=0", "")
	// Output:
	// a tab of ""
	// a tab of "ann"
	// a tab of ""
}

// The parts that New puts together, for programs that need a different set. Here, a
// transport has its own URL, and there is no script.
func Example_byHand() {
	codec, err := cookie.New(
		cookie.Options{Insecure: true, Logger: slog.New(slog.DiscardHandler)},
		[]byte("32 bytes of crypto/rand, not this"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions := session.New(session.Options{
		OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
			_, err := s.Send(ctx, in.Message)
			return err
		},
	})
	who := middleware.New(middleware.Options{Codec: codec, Sessions: sessions})

	mux := http.NewServeMux()
	mux.Handle("/events", who.Guard(transport.Handler(sessions, transport.Options{})))
	mux.Handle("/", who.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := middleware.FromContext(r.Context())
		fmt.Fprint(w, ok && id.ID != "")
	})))

	server := httptest.NewServer(mux)
	defer server.Close()
	defer sessions.Shutdown(context.Background())

	ann := newPerson(server)
	fmt.Println(ann.ask("GET", "/", ""))
	status, hello := ann.ask("GET", "/events?_wait=0", "")
	fmt.Println(status, strings.Contains(hello, "event: mirage\n"))
	// Output:
	// 200 true
	// 200 true
}
