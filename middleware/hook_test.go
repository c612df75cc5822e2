package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/refuse"
	"github.com/mirage-go/mirage/middleware"
)

// I3: Generate runs if the request presents no id, Validate if it presents one, never
// both. A forged id is treated as absent.
func TestI3OneHook(t *testing.T) {
	var calls []string
	s := newSite(t, middleware.Options{
		Generate: func(*http.Request) (string, error) { calls = append(calls, "generate"); return "new", nil },
		Validate: func(_ *http.Request, id string) (string, error) {
			calls = append(calls, "validate "+id)
			return "", nil
		},
	})
	for want, r := range map[string]*http.Request{
		"generate":     request("GET", "/"),
		"validate ann": request("GET", "/", withCookie(s.sign("ann"))),
		"validate bob": request("GET", "/?_mirage=~"+s.sign("bob"), withCookie(s.sign("ann"))),
	} {
		calls = nil
		s.admit(r)
		if len(calls) != 1 || calls[0] != want {
			t.Errorf("called %q, want %q", calls, want)
		}
	}
	calls = nil
	if s.admit(request("GET", "/", withCookie("forged"))); len(calls) != 1 || calls[0] != "generate" {
		t.Errorf("with a forged cookie: called %q", calls)
	}
}

// I5: refusals, failures and timeouts differ in status and text, and none of these
// requests reaches the application.
func TestI5Outcomes(t *testing.T) {
	busy := &middleware.Error{Status: 429, Reason: "slow down", RetryAfter: 9 * time.Second}
	pay := &middleware.Error{Status: 402, Reason: "pay first"}
	const late = "failed to validate the id in a timely manner"
	tests := map[string]struct {
		err      error
		validate int // status
		reason   string
		generate int
	}{
		"an error":                {errors.New("SECRET"), 403, "the id was refused", 503},
		"wrapped *Error":          {fmt.Errorf("no: %w", pay), 402, "pay first", 402},
		"*Error to come back":     {busy, 429, "slow down", 429},
		"*Error 500":              {&middleware.Error{Status: 500}, 500, "Internal Server Error", 500},
		"*Error without a reason": {&middleware.Error{Status: 410}, 410, "Gone", 410},
		"*Error 200":              {&middleware.Error{Status: 200}, 503, "failed to validate the id", 503},
		"*Error without a status": {&middleware.Error{Reason: "x"}, 503, "failed to validate the id", 503},
		"a store's timeout":       {fmt.Errorf("db: %w", context.DeadlineExceeded), 503, late, 503},
		"cancelled":               {context.Canceled, 503, late, 503},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := newSite(t, middleware.Options{
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
				// Both also return an id: the error wins.
				Generate: func(*http.Request) (string, error) { return "x", test.err },
				Validate: func(*http.Request, string) (string, error) { return "x", test.err },
			})

			res, reason := s.refuse(request("GET", "/", withCookie(s.sign("ann"))), test.validate)
			if reason != test.reason {
				t.Errorf("reason %q, want %q", reason, test.reason)
			}
			if back := test.validate == 429 || test.validate >= 500; back != (res.Header.Get("Retry-After") != "") {
				t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
			}
			if test.err == error(busy) && res.Header.Get("Retry-After") != "9" {
				t.Errorf("Retry-After %q, want 9", res.Header.Get("Retry-After"))
			}

			_, reason = s.refuse(request("GET", "/"), test.generate)
			if strings.Contains(reason, "SECRET") || strings.Contains(log.String(), s.sign("ann")[:20]) {
				t.Errorf("told too much: %q, log %s", reason, &log)
			}
		})
	}
}

// I4: if a hook returns a malformed id, the request fails. So does an empty id from
// Generate: the client of the original Mirage then waited for ever.
func TestI4BadIDs(t *testing.T) {
	for name, id := range map[string]string{
		"too long":     strings.Repeat("x", 129),
		"space":        "a b",
		"markup":       "<script>",
		"NUL":          "a\x00",
		"line end":     "a\r\nSet-Cookie: x=y",
		"tilde":        "~a",
		"umlaut":       "ä",
		"slash":        "a/b",
		"not UTF-8":    "\xff",
		"colon":        "a:b",
		"only a space": " ",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, middleware.Options{
				Logger:   slog.New(slog.DiscardHandler),
				Generate: func(*http.Request) (string, error) { return id, nil },
				Validate: func(*http.Request, string) (string, error) { return id, nil },
			})
			s.refuse(request("GET", "/"), 503)
			s.refuse(request("GET", "/", withCookie(s.sign("ann"))), 503)
		})
	}

	for _, id := range []string{"a", "A-Z_a.z-09", strings.Repeat("x", 128)} {
		s := newSite(t, middleware.Options{Generate: func(*http.Request) (string, error) { return id, nil }})
		res, got := s.admit(request("GET", "/"))
		if got.ID != id {
			t.Errorf("id %q, want %q", got.ID, id)
		}
		if _, again := s.admit(request("GET", "/", withCookie(cookieOf(res)))); again.ID != id {
			t.Errorf("its cookie reads %q", again.ID)
		}
	}

	s := newSite(t, middleware.Options{
		Generate: func(*http.Request) (string, error) { return "", nil },
		Logger:   slog.New(slog.DiscardHandler),
	})
	s.refuse(request("GET", "/"), 503)
}

// I3: hooks have five seconds by default. A hook that ignores its context is abandoned,
// and its answer has no effect.
func TestI3Timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, polite := range []bool{true, false} {
			hook := func(r *http.Request) (string, error) {
				if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) != 5*time.Second {
					t.Errorf("deadline %v, %v", time.Until(deadline), ok)
				}
				if polite {
					<-r.Context().Done()
					return "", r.Context().Err() // not a refusal
				}
				time.Sleep(time.Minute)
				return "late", nil
			}

			s := newSite(t, middleware.Options{
				Generate: hook,
				Validate: func(r *http.Request, _ string) (string, error) { return hook(r) },
			})

			start := time.Now()
			_, reason := s.refuse(request("GET", "/"), 503)
			if reason != "failed to generate the id in a timely manner" {
				t.Errorf("reason %q", reason)
			}
			_, reason = s.refuse(request("GET", "/", withCookie(s.sign("ann"))), 503)
			if reason != "failed to validate the id in a timely manner" {
				t.Errorf("reason %q", reason)
			}
			if took := time.Since(start); took != 10*time.Second {
				t.Errorf("two timeouts took %v", took)
			}

			time.Sleep(2 * time.Minute)
			if s.reached() != 0 || s.count("timeout") != 2 {
				t.Errorf("a late answer reached the application")
			}
		}
	})
}

// I3: when a client leaves, the hook's context ends at once, and nothing happens
// afterwards.
func TestI3ClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended time.Time
		s := newSite(t, middleware.Options{Validate: func(r *http.Request, _ string) (string, error) {
			<-r.Context().Done()
			ended = time.Now()
			return "", nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		s.do(request("GET", "/", withCookie(s.sign("ann"))).WithContext(ctx))
		synctest.Wait()
		if s.reached() != 0 || ended.Sub(start) != time.Second || s.count("left") != 1 {
			t.Errorf("reached %d, ended after %v, left %d", s.reached(), ended.Sub(start), s.count("left"))
		}
	})
}

// I3: an answer that arrives when the context has ended has no effect, whichever of the
// two is seen first.
func TestI3AnswerAtTheEnd(t *testing.T) {
	s := newSite(t, middleware.Options{Validate: func(*http.Request, string) (string, error) { return "", nil }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2000 {
		if s.do(request("GET", "/", withCookie(s.sign("ann"))).WithContext(ctx)); s.reached() != 0 {
			t.Fatal("a late answer let the request in")
		}
	}
}

// I3: a panic fails only that request, and so does a hook that ends its goroutine.
func TestI3Panic(t *testing.T) {
	var log bytes.Buffer
	how := func() {}
	var none map[string]int
	s := newSite(t, middleware.Options{
		Logger:   slog.New(slog.NewTextHandler(&log, nil)),
		MaxHooks: 1,
		Validate: func(*http.Request, string) (string, error) { how(); return "", nil },
	})

	for name, f := range map[string]func(){
		"panic":   func() { panic("boom") },
		"nil map": func() { none["x"]++ },
		"abort":   func() { panic(http.ErrAbortHandler) },
		"goexit":  runtime.Goexit,
	} {
		how = f
		log.Reset()
		_, reason := s.refuse(request("GET", "/", withCookie(s.sign("ann"))), 503)
		if reason != "failed to validate the id" {
			t.Errorf("%s: reason %q", name, reason)
		}
		if log.Len() == 0 || name != "goexit" && !strings.Contains(log.String(), "hook_test.go") {
			t.Errorf("%s: nothing to find it by in the log: %s", name, &log)
		}

		how = func() {}
		s.admit(request("GET", "/", withCookie(s.sign("ann")))) // the only slot is free again
	}
}

// I3: ten thousand requests while Validate hangs: as many hooks as allowed run, the
// others get 503 at once, and requests that need no hook are not affected.
func TestI3Storm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		release := make(chan struct{})
		hang := false
		s := newSite(t, middleware.Options{Validate: func(r *http.Request, _ string) (string, error) {
			if !hang {
				return "", nil
			}
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			<-release // not even the context ends it
			return "", nil
		}})

		c := s.sign("ann")
		_, id := s.admit(request("GET", "/", withCookie(c)))
		token := id.LinkToken(cid, 1, time.Minute)
		hang = true

		const storm = 10_000
		var at [storm]time.Duration
		var status [storm]int
		var wg sync.WaitGroup
		start := time.Now()
		for i := range storm {
			wg.Go(func() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, request("GET", "/", withCookie(c)))
				at[i], status[i] = time.Since(start), w.Code
			})
		}

		synctest.Wait()
		s.admit(request("GET", "/")) // a new visitor
		s.admit(request("POST", "/", withCookie(c), "Mirage-Link: "+token))
		if time.Since(start) != 0 {
			t.Error("others had to wait")
		}

		wg.Wait()
		busy := 0
		for i := range storm {
			if status[i] != 503 {
				t.Fatalf("status %d", status[i])
			}
			if at[i] == 0 {
				busy++
			} else if at[i] != 5*time.Second {
				t.Fatalf("answered after %v", at[i])
			}
		}
		if busy != storm-64 || most.Load() != 64 || s.count("busy") != busy {
			t.Errorf("%d refused at once, %d hooks at most, counted %d", busy, most.Load(), s.count("busy"))
		}

		s.refuse(request("GET", "/", withCookie(c)), 503) // the hooks still hang and take up all slots
		close(release)
		synctest.Wait()
		s.admit(request("GET", "/", withCookie(c)))
	})
}

// I5: a refusal by a hook reaches a browser's WebSocket as a close code, a program's as a
// status, and a plain EventSource as a retry.
func TestI5Forms(t *testing.T) {
	codec := newCodec(t, cookie.Options{})
	h := middleware.New(middleware.Options{Codec: codec, Validate: func(*http.Request, string) (string, error) {
		return "", &middleware.Error{Status: 503, Reason: "maintenance"}
	}}).Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // acts like a transport
		if _, err := middleware.Require(w, r); err != nil {
			refuse.Write(w, r, refuse.Refusal{Status: statusOf(err), Reason: "no"})
		}
	}))

	server := httptest.NewServer(h)
	defer server.Close()
	signed, _ := codec.Sign(cookie.ID, "ann")

	get := func(headers ...string) (int, string) {
		r := request("GET", server.URL+"/?_mirage=~"+signed, headers...)
		r.RequestURI = ""
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b := make([]byte, 300)
		n, _ := res.Body.Read(b)
		return res.StatusCode, string(b[:n])
	}

	ws := []string{
		"Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}

	const closes = "\x88\x1b\x11\x97maintenance; retry in " // 0x1197 is 4503
	if status, body := get(append(ws, "Origin: "+server.URL)...); status != 101 || !strings.HasPrefix(body, closes) {
		t.Errorf("browser's WebSocket: %d %q", status, body)
	}
	if status, _ := get(ws...); status != 503 {
		t.Errorf("program's WebSocket: %d", status)
	}
	if status, _ := get(append(ws, "Origin: https://evil.example")...); status != 403 {
		t.Errorf("a foreign page's WebSocket: %d", status)
	}
	if status, body := get("Accept: text/event-stream"); status != 200 || !strings.HasPrefix(body, "retry: ") {
		t.Errorf("EventSource: %d %q", status, body)
	}
	if status, body := get("Accept: */*"); status != 503 || !strings.Contains(body, `"detail":"maintenance"`) {
		t.Errorf("others: %d %q", status, body)
	}
}
