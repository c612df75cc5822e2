package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// I15: the response to a request that came with the old value may arrive after the
// response that brought the new one, or took the cookie away. The browser keeps what it
// should all the same, even where the old value was due for renewal.
func TestI15ResponsesDeliveredLast(t *testing.T) {
	moments := []struct {
		name string
		at   func(start, change time.Time) time.Time // when the request leaves
		old  bool                                    // the value is due for renewal
	}{
		{"answered before", func(start, _ time.Time) time.Time { return start.Add(-4 * time.Second) }, false},
		{"asked before", func(start, _ time.Time) time.Time { return start.Add(500 * time.Millisecond) }, false},
		{"asked before, old", func(start, _ time.Time) time.Time { return start.Add(500 * time.Millisecond) }, true},
		{"asked after", func(_, change time.Time) time.Time { return change.Add(50 * time.Millisecond) }, false},
		{"asked after, old", func(_, change time.Time) time.Time { return change.Add(50 * time.Millisecond) }, true},
	}

	requests := map[string][]string{ // method, path, headers
		"a stream":        {"GET", "/live?_cid=last-0123456789abcdefghij"},
		"a poll":          {"GET", "/live?_wait=25&_cid=last-0123456789abcdefghij"},
		"a plain stream":  {"GET", "/live"},
		"a WebSocket":     append([]string{"GET", "/live?_cid=last-0123456789abcdefghij"}, handshake...),
		"a POST":          {"POST", "/live"},
		"a route":         {"GET", "/"},
		"a route's value": {"POST", "/?_mirage="},
	}
	const late = 150 * time.Millisecond

	for _, how := range []logIn{rotate, replace, "log-out"} {
		for name, request := range requests {
			for _, when := range moments {
				t.Run(fmt.Sprintf("%s/%s/%s", how, name, when.name), func(t *testing.T) {
					app := &shop{how: how, hook: time.Second, late: true}
					inWorld(t, app.setup(), func(w *world) {
						b := w.browser()
						pipe := b.pipe(func(r *http.Request) time.Duration {
							if r.Header.Get(slowly) != "" {
								return 20 * time.Second
							}
							return late
						})

						b.fetch("GET", "/")
						if when.old {
							time.Sleep(9 * 24 * time.Hour)
						}
						old := b.holds()
						start := time.Now().Add(5 * time.Second)
						change := start.Add(app.hook)
						if how == replace {
							change = change.Add(late + app.hook)
						}

						ctx, cancel := context.WithCancel(w.Context())
						done := make(chan error, 1)
						go func() {
							time.Sleep(time.Until(when.at(start, change)))
							r, err := http.NewRequestWithContext(ctx, request[0], w.home()+request[1], nil)
							if err == nil {
								r.Header.Set("Accept", "text/event-stream")
								r.Header.Set(slowly, "1")
								for i := 2; i < len(request); i += 2 {
									r.Header.Set(request[i], request[i+1])
								}
								var resp *http.Response
								if resp, err = b.client.Do(r); err == nil {
									resp.Body.Close()
								}
							}
							done <- err
						}()

						time.Sleep(time.Until(start))
						var want string
						switch how {
						case rotate:
							b.fetch("POST", "/login")
							want = b.holds()
						case replace:
							b.fetch("POST", "/login")
							b.fetch("GET", "/")
							want = account
						default:
							b.fetch("POST", "/logout")
						}

						if id := b.holds(); id != want || want == old || !app.changedAt().Equal(change) {
							t.Fatalf("a cookie for %q, then for %q, after %v", old, id, app.changedAt())
						}

						w.must(<-done)
						cancel()
						if id := b.holds(); id != want {
							t.Errorf("the browser ends up with a cookie for %q; want %q, it was %q", id, want, old)
						}
						if how != replace { // there the log-in itself renews
							pipe.check(w, want)
						}
					})
				})
			}
		}
	}
}
