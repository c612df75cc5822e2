package transport_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
)

// I11, I14, I15, W6: the answers to an old value, in the form that each client can read:
// for ten seconds after Rotate, to come back soon; after that, and at once after a
// log-out, to stop. None of these answers sets a cookie. An old link token is never
// accepted.
func TestI14OldValues(t *testing.T) {
	for _, when := range []struct {
		name   string
		end    string // the route that ends the old value
		after  time.Duration
		status int
		poll   int // the status of one with a token
	}{
		{"just rotated", "/login", 0, 503, 401},
		{"rotated a while ago", "/login", store.Settle - time.Second, 503, 401},
		{"rotated before", "/login", store.Settle, 410, 401},
		{"rotated long ago", "/login", 24 * time.Hour, 410, 410}, // the token has expired, and counts as none
		{"just logged out", "/logout", 0, 410, 401},
		{"logged out long ago", "/logout", 24 * time.Hour, 410, 410},
	} {
		t.Run(when.name, func(t *testing.T) {
			app := &shop{how: rotate, hook: -1}
			inWorld(t, app.setup(), func(w *world) {
				b := w.browser()
				b.pipe(takes(0))
				b.fetch("GET", "/")
				old := b.client.Jar.Cookies(mustURL(w.url))[0].String()
				honest := b.tab()
				honest.poll("0")
				time.Sleep(time.Minute)
				b.fetch("POST", when.end)
				time.Sleep(when.after)

				thief := w.browser() // or the same one, whose request left before
				thief.header["Cookie"] = []string{old}
				query := "?_cid=" + honest.cid
				for name, a := range map[string]answer{
					"a stream":                thief.do("GET", query, ""),
					"a stream with the token": thief.do("GET", query, "", "Mirage-Link", honest.token()),
					"the first poll":          thief.do("GET", query+"&_wait=25", ""),
					"who wants to know":       thief.do("GET", query+"&_mirage=", ""),
					"a message":               thief.do("POST", "", "x"),
				} {
					kind, set := a.header.Get("Content-Type"), a.header.Get("Set-Cookie")
					if a.status != when.status || set != "" || kind != "application/problem+json" {
						t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
					}
					if retry := a.header.Get("Retry-After"); (retry == "1" || retry == "2") != (a.status == 503) {
						t.Errorf("%s: %d, Retry-After %q", name, a.status, retry)
					}
				}

				soon := regexp.MustCompile(`^retry: (1\d\d\d|2000)\n\n$`)
				plain := thief.do("GET", "", "")
				good := plain.status == when.status
				if when.status == 503 { // at which an EventSource would stop
					good = plain.status == 200 && soon.MatchString(plain.body)
				}
				if !good || plain.header.Get("Set-Cookie") != "" {
					t.Errorf("an EventSource: %d %v %q", plain.status, plain.header, plain.body)
				}

				for _, socket := range []*tab{thief.tab(), thief.plain()} {
					s, r, err := socket.upgrade(w.Context(), socket.query(""), "Origin", w.origin())
					if err != nil {
						t.Fatal(err)
					}
					s.read(w.Context())
					code, _ := s.code()
					if code != 4000+when.status || len(s.frames) > 0 || r.Header.Get("Set-Cookie") != "" {
						t.Errorf("a WebSocket of a page (%q): %d %q %v", socket.cid, code, s.frames, r.Header)
					}
					for _, other := range []struct {
						status int
						header []string
					}{{when.status, nil}, {403, []string{"Origin", "http://evil.example"}}} {
						_, r, err := socket.upgrade(w.Context(), socket.query(""), other.header...)
						if err == nil || r == nil || r.StatusCode != other.status || r.Header.Get("Set-Cookie") != "" {
							t.Errorf("a WebSocket (%q) with %q: %v, %v", socket.cid, other.header, r, err)
						}
					}
				}

				token := []string{"Mirage-Link", honest.token(), "Content-Type", "text/event-stream"}
				for _, with := range []struct {
					name   string
					a      answer
					status int
				}{
					{"a batch", thief.do("POST", query, honest.batch("1:x"), token...), 401},
					{"a message", thief.do("POST", query, "x", token[:2]...), 401},
					{"a poll", thief.do("GET", query+"&_wait=25", "", token[:2]...), when.poll},
				} {
					a := with.a
					if a.status != with.status || a.header.Get("Set-Cookie") != "" {
						t.Errorf("%s with the old token: %d %v %s", with.name, a.status, a.header, a.body)
					}
				}
				thief.do("DELETE", query, "", token[:2]...) // whatever it is answered
				if id := b.holds(); when.end == "/login" && when.after < time.Minute {
					w.send(id, "the session is there")
				}
				app.counts(w, map[string]int{})
			})
		})
	}
}
