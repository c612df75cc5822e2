package identity_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// validate returns the hook, or nil if the application has none.
func (a *app) validate() func(*http.Request, string) (string, error) {
	if a.mode == byRotate && len(a.delays) == 0 {
		return nil
	}
	return func(r *http.Request, id string) (string, error) {
		if len(a.delays) > 0 && !sleep(r.Context(), pick(a.dice, a.delays...)) {
			return "", r.Context().Err()
		}
		user := a.user(r)
		switch {
		case user == "" && a.isClosed(id):
			return "", errors.New("barred")
		case user != "" && id != user && a.mode != byRotate:
			return user, nil
		}
		return "", nil
	}
}

// user returns the account that the request is logged in to, or "".
func (a *app) user(r *http.Request) string {
	c, err := r.Cookie(userCookie)
	if err != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.users[c.Value]
}

func (a *app) isClosed(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed[id]
}

// routes adds the application's own routes.
func (a *app) routes(mux *http.ServeMux, _ *session.Manager) {
	mux.HandleFunc("/page", func(_ http.ResponseWriter, r *http.Request) {
		if id, ok := middleware.FromContext(r.Context()); ok {
			a.name("FromContext", id.Client)
			a.name("FromContext", id.Reader)
		}
	})
	mux.HandleFunc("POST /login", a.logIn)
	mux.HandleFunc("POST /logout", a.logOut)
	mux.HandleFunc("POST /switch", func(w http.ResponseWriter, r *http.Request) {
		a.logOut(w, r)
		if _, err := middleware.Rotate(w, r); err != nil {
			a.note("Rotate after Logout: %v", err)
		}
	})
}

// logIn logs in a request that proves a secret. Attackers get an id and no account.
func (a *app) logIn(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	account := a.secrets[r.Header.Get("Secret")]
	session := rand.Text()
	if account != "" {
		a.users[session] = account
		http.SetCookie(w, &http.Cookie{Name: userCookie, Value: session})
	}
	a.mu.Unlock()

	if account != "" && a.mode == byReplace {
		w.Header().Set("Id", account)
		return
	}

	old, _ := middleware.FromContext(r.Context())
	id, err := middleware.Rotate(w, r)
	switch {
	case id == "":
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case account != "":
		g := a.guard(id)
		a.mu.Lock()
		news := a.news
		a.news = nil
		a.mu.Unlock()
		if news != nil {
			news <- g
		}
		w.Header().Set("Id", id)
	default: // the id is somebody else's from now on: clients that still have it are told to stop in time
		a.stop(old.ID)
	}

	a.note("log-in of %q: %s, %v", account, id, err)
}

func (a *app) logOut(w http.ResponseWriter, r *http.Request) {
	if err := middleware.Logout(w, r); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	if c, err := r.Cookie(userCookie); err == nil {
		a.mu.Lock()
		delete(a.users, c.Value)
		a.mu.Unlock()
		http.SetCookie(w, &http.Cookie{Name: userCookie, MaxAge: -1})
	}
}

// sessions returns a view of m that notes operations on ids at the moment of their
// acknowledgement.
func (a *app) sessions(m *session.Manager) middleware.Sessions { return &watched{m, a} }

// watched is a Manager whose acknowledgements are noted.
type watched struct {
	*session.Manager
	a *app
}

func (w *watched) Replace(ctx context.Context, from, to string, asked store.Asked, client string) error {
	begun := w.a.now()
	err := w.Manager.Replace(ctx, from, to, asked, client)
	w.a.outcome(err, "Replace(%s, %s)", from, to)
	if err == nil {
		w.a.leave(from, to, begun)
		w.a.move(from, to)
	}
	return err
}

func (w *watched) Rotate(ctx context.Context, from, to string, asked store.Asked) error {
	begun := w.a.now()
	err := w.Manager.Rotate(ctx, from, to, asked)
	w.a.outcome(err, "Rotate(%s, %s)", from, to)
	if err == nil {
		w.a.revoke(from, begun, false)
		w.a.move(from, to)
	}
	return err
}

func (w *watched) Revoke(ctx context.Context, id string) error {
	begun := w.a.now()
	err := w.Manager.Revoke(ctx, id)
	w.a.outcome(err, "Revoke(%s)", id)
	if err == nil {
		w.a.revoke(id, begun, true)
	}
	return err
}
