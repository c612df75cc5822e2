package transport_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
)

// quietly keeps net/http's report of a panic out of the test's output.
func quietly(s *http.Server) { s.ErrorLog = log.New(io.Discard, "", 0) }

// idle fails the test if a link is left here: Shutdown would wait for it.
func (w *world) idle() {
	w.Helper()
	synctest.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	start := time.Now()
	if err := w.m.Shutdown(ctx); err != nil || time.Since(start) > time.Second {
		w.Errorf("a link is left: Shutdown took %v: %v", time.Since(start), err)
	}
}

// L4: a panic in the application's part of a link ends that link alone, and leaves
// nothing of it.
func TestL4CallbacksPanic(t *testing.T) {
	t.Run("middleware.Options.Value", func(t *testing.T) {
		s := setup{server: quietly}
		s.identity.Value = func(*http.Request) any { panic("value") }
		inWorld(t, s, func(w *world) {
			ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
			defer cancel()
			tab := w.browser().tab()
			if _, _, err := tab.upgrade(ctx, tab.query("")); err == nil || ctx.Err() != nil {
				t.Errorf("the handshake: %v", err)
			}
			w.idle()
		})
	})

	for way, open := range map[string]func(*tab) (cut func()){
		"sse":       func(t *tab) func() { t.b.streams = true; return t.open().close },
		"poll":      func(t *tab) func() { t.poll("0"); return func() {} },
		"websocket": func(t *tab) func() { s := t.openSocket(); return func() { s.CloseNow() } },
	} {
		t.Run(way+".Options.OnClose", func(t *testing.T) {
			calls := 0
			o := session.Options{OnClose: func(session.Closed) { calls++; panic("closed") }}
			inWorld(t, setup{session: o, server: quietly}, func(w *world) {
				open(w.browser().tab())()
				w.idle()
				if calls != 1 {
					t.Errorf("%d calls", calls)
				}
			})
		})
	}

	for way, wait := range map[string]string{"a poll": "&_wait=25", "a stream": ""} {
		t.Run(way+"'s ResponseWriter", func(t *testing.T) {
			breaking := func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(breaks{w}, r) })
			}
			inWorld(t, setup{server: quietly, around: []func(http.Handler) http.Handler{breaking}}, func(w *world) {
				tab := w.browser().tab()
				if r, err := tab.b.request(w.Context(), "GET", tab.query(wait), ""); err == nil {
					body, err := io.ReadAll(r.Body)
					if r.Body.Close(); err == nil && strings.Contains(string(body), "mirage") {
						t.Errorf("%d %s", r.StatusCode, body)
					}
				}
				w.idle()
			})
		})
	}
}

// breaks is a ResponseWriter that panics when something is written, as one that copies to
// a proxy's client does (http.ErrAbortHandler).
type breaks struct{ http.ResponseWriter }

func (b breaks) Write([]byte) (int, error) { panic(http.ErrAbortHandler) }

func (b breaks) Unwrap() http.ResponseWriter { return b.ResponseWriter }
