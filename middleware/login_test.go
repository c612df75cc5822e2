package middleware_test

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
)

// I11: after a log-out the next log-in by a script works without a navigation in between:
// a revoked cookie locks nobody out. This also holds if the application revokes the id
// itself.
func TestI11LoginAfterLogout(t *testing.T) {
	codec := newCodec(t, cookie.Options{Insecure: true})
	m := session.New(session.Options{})
	defer m.Shutdown(context.Background())
	var ids []string // that the application saw

	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := middleware.Rotate(w, r); err != nil {
			t.Errorf("Rotate: %v", err)
		}
		id, _ := middleware.FromContext(r.Context())
		ids = append(ids, id.ID)
	})
	mux.HandleFunc("/logout", func(w http.ResponseWriter, r *http.Request) {
		if err := middleware.Logout(w, r); err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) {
		id, _ := middleware.FromContext(r.Context())
		if err := m.Revoke(r.Context(), id.ID); err != nil {
			t.Errorf("Revoke: %v", err)
		}
	})

	srv := httptest.NewServer(middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard(mux))
	defer srv.Close()
	jar, _ := cookiejar.New(nil)
	client := srv.Client()
	client.Jar = jar

	for _, path := range []string{"/login", "/logout", "/login", "/revoke", "/login", "/logout", "/logout", "/login"} {
		res, err := client.Post(srv.URL+path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
		if path != "/login" {
			continue
		}

		last := ids[len(ids)-1]
		if slices.Contains(ids[:len(ids)-1], last) {
			t.Errorf("the id %q comes again", last)
		}
		for _, c := range jar.Cookies(res.Request.URL) {
			if id, _, err := codec.Verify(cookie.ID, c.Value); err != nil || id != last {
				t.Errorf("after a log-in as %q the browser has a cookie for %q, %v", last, id, err)
			}
		}
	}
}
