package transport_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// H1: the result of Options.Value for a request is available in every callback that the
// request leads to, on every transport.
func TestH1Value(t *testing.T) {
	ways := map[string]func(*tab) (leave func()){
		"sse":       func(t *tab) func() { t.b.streams = true; return t.open().close },
		"websocket": func(t *tab) func() { s := t.openSocket(); return func() { s.CloseNow() } },
		"poll":      func(t *tab) func() { t.poll("0"); t.poll("0"); return func() {} },
	}

	for way, begin := range ways {
		t.Run(way, func(t *testing.T) {
			var got []string
			see := func(callback string) func(context.Context) {
				return func(ctx context.Context) {
					value, _ := session.Value(ctx).(string)
					got = append(got, callback+" "+value)
				}
			}
			open, attach, message := see("OnOpen"), see("OnAttach"), see("OnMessage")
			detach, end := see("OnDetach"), see("OnEnd")
			s := setup{session: session.Options{
				OnOpen:   func(ctx context.Context, _ *session.Session) { open(ctx) },
				OnAttach: func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { attach(ctx) },
				OnMessage: func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
					message(ctx)
					return nil
				},
				OnDetach: func(ctx context.Context, _ *session.Session, _ session.ReaderInfo) { detach(ctx) },
				OnEnd:    func(ctx context.Context, _ store.Ended) { end(ctx) },
			}}
			s.identity.Value = func(r *http.Request) any { return r.Method }

			inWorld(t, s, func(w *world) {
				tab := w.browser().tab()
				leave := begin(tab)
				tab.post("1:x")
				leave()
				time.Sleep(time.Minute)
				synctest.Wait()

				up := "POST"
				if way == "websocket" {
					up = "GET" // the handshake
				}
				want := []string{"OnOpen GET", "OnAttach GET", "OnMessage " + up, "OnDetach GET"}
				if !slices.Equal(got, want) {
					t.Errorf("%q, want %q", got, want)
				}

				got = nil
				tab = w.browser().tab()
				leave = begin(tab)
				synctest.Wait()
				tab.b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token())
				leave()
				synctest.Wait()
				want = []string{"OnOpen GET", "OnAttach GET", "OnDetach DELETE", "OnEnd DELETE"}
				if !slices.Equal(got, want) {
					t.Errorf("a goodbye: %q, want %q", got, want)
				}
			})
		})
	}
}
