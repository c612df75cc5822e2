package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/mirage-go/mirage/middleware"
)

// L1: Admit is called before any hook, for requests with and without a cookie, and its
// error decides.
func TestL1Admit(t *testing.T) {
	asked, hooks := 0, 0
	var answer error
	s := newSite(t, middleware.Options{
		Admit:    func(*http.Request) error { asked++; return answer },
		Generate: func(*http.Request) (string, error) { hooks++; return "ann", nil },
	})
	s.admit(request("GET", "/"))
	s.admit(request("GET", "/", withCookie(s.sign("ann"))))
	answer = &middleware.Error{Status: http.StatusTooManyRequests, Reason: "slow down", RetryAfter: time.Second}
	for _, r := range []*http.Request{request("GET", "/"), request("GET", "/", withCookie(s.sign("ann")))} {
		if _, reason := s.refuse(r, http.StatusTooManyRequests); reason != "slow down" {
			t.Errorf("reason %q", reason)
		}
	}
	if asked != 4 || hooks != 1 {
		t.Errorf("asked %d times, %d hooks", asked, hooks)
	}
}
