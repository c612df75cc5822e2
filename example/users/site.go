package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage"
)

// A site is the application: accounts, an inbox for each user, and the devices that are
// told of changes.
type site struct {
	live     *mirage.Live
	accounts *accounts
	inboxes  map[int]*inbox // by user; the map never changes
}

// newSite names its cookies after the port, because browsers send cookies to every port
// of a host. Otherwise two examples on one machine would overwrite each other's cookies.
func newSite(port string) *site {
	s := &site{accounts: newAccounts("session-" + port), inboxes: make(map[int]*inbox)}
	for _, u := range everybody {
		s.inboxes[u.ID] = &inbox{}
	}
	s.live = mirage.New(mirage.Options{
		Name:      "mirage-" + port,
		Insecure:  true, // for plain http: omit this with TLS, and set Keys
		Validate:  s.validate,
		Value:     s.value,
		OnAttach:  s.attach,
		OnDetach:  s.detach,
		OnMessage: s.receive,
	})
	return s
}

// close ends all links and what runs in the background.
func (s *site) close(ctx context.Context) error {
	s.accounts.close()
	return s.live.Shutdown(ctx)
}

func (s *site) handler() http.Handler {
	r := chi.NewRouter()
	r.Use(http.NewCrossOriginProtection().Handler) // pages of other sites log nobody in or out
	r.Handle("/page/*", files())
	r.Group(func(r chi.Router) {
		r.Use(s.accounts.scs.LoadAndSave, s.live.Identify)
		r.Mount("/live", s.live)
		r.Get("/", s.show)
		r.Get("/inbox", s.inbox)
		r.Post("/login", s.login)
		r.Post("/logout", s.logout)
		r.Post("/logout/everywhere", s.logoutEverywhere)
	})
	return r
}

// login gives the device to a user. A real one checks a password here.
func (s *site) login(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.accounts.user(r); ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	n, _ := strconv.Atoi(r.FormValue("user"))
	u, ok := userByID(n)
	if !ok {
		http.Error(w, "There is no such user.", http.StatusForbidden)
		return
	}

	// The device gets a mirage id that nobody has seen before. Whoever used this browser
	// until now may have been another user, whose session must not come along: therefore
	// Logout before Rotate.
	s.accounts.forget(s.live.ID(r))
	err := s.live.Logout(w, r)
	var id string
	if err == nil {
		id, err = s.live.Rotate(w, r)
	}
	if id != "" {
		err = s.accounts.login(r, u, id)
	}
	s.done(w, r, err)
	s.tellDevices(r.Context(), u)
}

// logout logs out this device.
func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	u, ok := s.accounts.user(r)
	s.accounts.forget(s.live.ID(r))
	s.done(w, r, errors.Join(s.accounts.scs.Destroy(r.Context()), s.live.Logout(w, r)))
	if ok {
		s.tellDevices(r.Context(), u)
	}
}

// logoutEverywhere logs out all devices of the user. First none of them can come back,
// then those that are connected are told.
func (s *site) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	u, ok := s.accounts.user(r)
	if !ok {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	ids, err := s.accounts.logoutAll(r.Context(), u)
	for _, id := range ids {
		err = errors.Join(err, s.live.Revoke(r.Context(), id))
	}
	s.done(w, r, errors.Join(err, s.accounts.scs.Destroy(r.Context()), s.live.Logout(w, r)))
}

// done leads to the page, unless something failed.
func (s *site) done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		slog.Error("a log-in or log-out failed", "error", err)
		http.Error(w, "Try again.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// inbox returns all that a page shows. Pages ask when they have connected, and when they
// missed a change.
func (s *site) inbox(w http.ResponseWriter, r *http.Request) {
	u, ok := s.accounts.user(r)
	if !ok {
		http.Error(w, "Log in.", http.StatusForbidden)
		return
	}
	devices, err := s.accounts.devices(r, u)
	if err != nil {
		slog.Error("the devices are not known", "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct {
		snapshot
		Devices []device `json:"devices"`
	}{s.inboxes[u.ID].snapshot(), devices})
}
