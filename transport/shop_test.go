package transport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// A logIn is a way in which a visitor gets another id.
type logIn string

const (
	rotate     logIn = "Rotate"     // in the response to the log-in
	replace    logIn = "replace"    // Validate returns it, at the next request of a page's script
	revalidate logIn = "revalidate" // Validate returns it, and the links are ended so that the clients reconnect
	join       logIn = "join"       // as replace, and the id has a session already
)

// account is the id that Validate returns after a log-in.
const account = "account"

// slowly is a header of requests whose hook takes three times as long as that of others.
const slowly = "Slowly"

// A shop is an application with log-in and log-out.
type shop struct {
	how  logIn
	hook time.Duration // how long Validate takes; negative: there is none
	odd  bool          // Validate takes any time below hook
	late bool          // Validate answers what was true when it was asked
	slow time.Duration // how long a request takes from Validate to the transport

	mu      sync.Mutex
	known   bool      // the visitor has logged in
	changed time.Time // when the id changed, or was revoked
	heard   []said
}

// said is what a page said, and the session that had it.
type said struct{ id, text string }

func (s *shop) setup() setup {
	o := setup{session: session.Options{OnMessage: s.onMessage}, routes: s.routes}
	if s.hook >= 0 {
		o.identity.Validate = s.validate
	}
	if s.slow > 0 {
		o.inside = s.delay
	}
	return o
}

// delay is a middleware of the application behind ours.
func (s *shop) delay(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(s.slow)
		next.ServeHTTP(w, r)
	})
}

func (s *shop) validate(r *http.Request, _ string) (string, error) {
	asked := s.isKnown()
	d := s.hook
	switch {
	case s.odd:
		d = rand.N(d)
	case r.Header.Get(slowly) != "":
		d *= 3
	}
	time.Sleep(d)
	known := s.isKnown()
	if s.late {
		known = asked
	}
	if known && s.how != rotate {
		return account, nil
	}
	return "", nil
}

func (s *shop) isKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known
}

func (s *shop) onMessage(_ context.Context, from *session.Session, in session.Incoming) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, said{from.ID(), string(in.Data)})
	return nil
}

func (s *shop) routes(w *world, r chi.Router) {
	r.Get("/", func(rw http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		fmt.Fprint(rw, id.ID)
		s.note(id.ID == account)
	})

	r.Post("/login", func(rw http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		s.mu.Lock()
		s.known = true
		s.mu.Unlock()

		switch s.how {
		case rotate:
			if _, err := middleware.Rotate(rw, r); err != nil {
				w.Errorf("Rotate: %v", err)
			}
		case revalidate:
			if err := w.m.Revalidate(r.Context(), id.ID); err != nil {
				w.Errorf("Revalidate: %v", err)
			}
		}
		s.note(s.how == rotate || s.how == revalidate)
	})

	r.Post("/logout", func(rw http.ResponseWriter, r *http.Request) {
		if err := middleware.Logout(rw, r); err != nil {
			w.Errorf("Logout: %v", err)
		}
		s.note(true)
	})
}

// note keeps the time of the first change of the id.
func (s *shop) note(changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if changed && s.changed.IsZero() {
		s.changed = time.Now()
	}
}

func (s *shop) changedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// counts wants so many pages to have said each of these texts, and each to have been
// heard once.
func (s *shop) counts(w *world, want map[string]int) {
	w.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got, times := map[string]int{}, map[string]int{}
	for _, m := range s.heard {
		text, _, _ := strings.Cut(m.text, " ")
		if times[m.text]++; times[m.text] > 1 {
			w.Errorf("%q was heard %d times", m.text, times[m.text])
		}
		got[text]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("the application heard %v, want %v", got, want)
	}
}

// from lists what was heard in the session id and begins so.
func (s *shop) from(id, prefix string) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.heard {
		if m.id == id && strings.HasPrefix(m.text, prefix) {
			texts = append(texts, m.text)
		}
	}
	return texts
}
