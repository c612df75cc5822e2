package others_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	chicors "github.com/go-chi/cors"
	rscors "github.com/rs/cors"

	"github.com/mirage-go/mirage/middleware"
)

const friend = "https://friend.example"

// The options that docs/operations.md shows under CORS.
var (
	methods = []string{"GET", "POST", "DELETE"}
	headers = []string{"Mirage-Link", "Content-Type", "Authorization", "Last-Event-ID"}
)

// readme has the options of the README of go-chi/cors.
var readme = chicors.Options{
	AllowedOrigins: []string{"https://*", "http://*"},
	AllowedMethods: []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"},
	AllowedHeaders: []string{"Accept", "Authorization", "Content-Type", "X-CSRF-Token"},
	ExposedHeaders: []string{"Link"},
	MaxAge:         300,
}

// I9: a page of a listed origin can do everything it needs without a CORS middleware, and
// behind one with the options that docs/operations.md shows.
func TestI9CORSMiddleware(t *testing.T) {
	passing := readme
	passing.OptionsPassthrough = true
	asBrowsersSay := strings.ToLower(strings.Join(slices.Sorted(slices.Values(headers)), ","))

	for name, around := range map[string]wrapper{
		"none":                     func(next http.Handler) http.Handler { return next },
		"go-chi/cors, passthrough": chicors.Handler(passing),
		"rs/cors, passthrough":     rscors.New(rscors.Options{OptionsPassthrough: true}).Handler,
		"go-chi/cors, configured": chicors.Handler(chicors.Options{
			AllowedOrigins: []string{friend}, AllowedMethods: methods, AllowedHeaders: headers, AllowCredentials: true,
		}),
		"rs/cors, configured": rscors.New(rscors.Options{
			AllowedOrigins: []string{friend}, AllowedMethods: methods, AllowedHeaders: headers, AllowCredentials: true,
		}).Handler,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{Origins: []string{friend}})
			s.serve(around(s.mux))
			v := s.visitor()

			for _, method := range methods {
				for _, asked := range []string{asBrowsersSay, "mirage-link"} {
					resp := v.do("OPTIONS", "/live", "", "Origin", friend, "Sec-Fetch-Site", "cross-site",
						"Access-Control-Request-Method", method, "Access-Control-Request-Headers", asked)
					allowed(t, resp)
					if resp.StatusCode/100 != 2 || !has(resp, "Access-Control-Allow-Methods", method) {
						t.Errorf("a preflight for %s: %s %v", method, resp.Status, resp.Header)
					}
					for name := range strings.SplitSeq(asked, ",") {
						if !has(resp, "Access-Control-Allow-Headers", name) {
							t.Errorf("a preflight for %s with %s: %v", method, name, resp.Header)
						}
					}
				}
			}

			poll := v.do("GET", "/live"+poll, "", "Origin", friend, "Sec-Fetch-Site", "cross-site",
				"Accept", "text/event-stream")
			allowed(t, poll)
			if poll.StatusCode != 200 {
				t.Errorf("a poll: %s", poll.Status)
			}
		})
	}
}

// allowed checks that browsers let the page read the response to a request with
// credentials.
func allowed(t *testing.T, resp *http.Response) {
	t.Helper()
	if origin := resp.Header["Access-Control-Allow-Origin"]; !slices.Equal(origin, []string{friend}) ||
		!slices.Equal(resp.Header["Access-Control-Allow-Credentials"], []string{"true"}) {
		t.Errorf("%s %s: %v", resp.Request.Method, resp.Status, resp.Header)
	}
}

// has reports whether a header that is a list contains the name.
func has(resp *http.Response, header, name string) bool {
	for n := range strings.SplitSeq(strings.Join(resp.Header[header], ","), ",") {
		if strings.EqualFold(strings.TrimSpace(n), name) {
			return true
		}
	}
	return false
}
