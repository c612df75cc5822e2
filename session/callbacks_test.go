package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// U2: a handler that ends its own session has handled the message nevertheless. The
// client is told so, and does not resend it.
func TestU2HandlerEndsItsSession(t *testing.T) {
	for name, end := range map[string]func(ctx context.Context, m *session.Manager, link store.LinkRef) error{
		"End":    func(ctx context.Context, m *session.Manager, _ store.LinkRef) error { return m.End(ctx, "id") },
		"Revoke": func(ctx context.Context, m *session.Manager, _ store.LinkRef) error { return m.Revoke(ctx, "id") },
		"Quit": func(ctx context.Context, m *session.Manager, l store.LinkRef) error {
			return m.Quit(ctx, session.Quit{ID: "id", Link: l})
		},
		"Move": func(ctx context.Context, m *session.Manager, _ store.LinkRef) error {
			return m.Move(ctx, "id", "to", "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m *session.Manager
				var l *session.Link
				calls := 0
				m = session.New(session.Options{
					OnMessage: func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
						calls++
						return end(ctx, m, l.Hello.Link)
					},
				})
				t.Cleanup(func() { m.Shutdown(context.Background()) })
				l = link(t, m, session.Attach{ID: "id", Reader: "r"})

				got, err := m.Receive(t.Context(), session.Upstream{
					ID: "id", Link: l.Hello.Link, Writer: "r", Base: 1,
					Messages: []session.Numbered{
						{Number: 1, Message: store.Text("bye")},
						{Number: 2, Message: store.Text("x")},
					},
				})
				if err != nil || got.Accepted != 1 || len(got.Failed) > 0 || calls != 1 {
					t.Errorf("%+v, %v, %d calls; want 1 to be accepted", got, err, calls)
				}
				l.Close()
				time.Sleep(time.Minute)
			})
		})
	}
}

// D6: an OnEnd that takes its time does not delay the end of the other sessions.
func TestD6SlowOnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int64
		m := session.New(session.Options{Retention: time.Second, OnEnd: func(context.Context, store.Ended) {
			time.Sleep(20 * time.Millisecond)
			ended.Add(1)
		}})
		const n = 1000
		for i := range n {
			if _, err := m.Open(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		if ended.Load() != n {
			t.Errorf("half a second after their time %d of %d sessions have ended", ended.Load(), n)
		}
		if err := m.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// L4: an error or panic of a callback is logged once, with the session and reader that it
// concerned.
func TestL4FailuresAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		boom := true
		m := session.New(session.Options{
			LogIDs:   true,
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			OnAttach: func(context.Context, *session.Session, session.ReaderInfo) { panic("attach") },
			OnMessage: func(context.Context, *session.Session, session.Incoming) error {
				if boom {
					panic("boom")
				}
				return errors.New("no such room")
			},
		})
		t.Cleanup(func() { m.Shutdown(context.Background()) })

		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		up := session.Upstream{ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1}
		for n := range uint64(2) {
			up.Messages = []session.Numbered{{Number: n + 1, Message: store.Text("x")}}
			if _, err := m.Receive(t.Context(), up); err != nil {
				t.Fatal(err)
			}
			boom = false
		}

		l.Close()
		const panicked = `level=ERROR msg="session: callback panicked" callback=`
		for _, want := range []string{
			panicked + `OnAttach panic=attach session=id reader=r transport=test`,
			panicked + `OnMessage panic=boom session=id writer=w number=1`,
			`level=WARN msg="session: OnMessage failed" session=id writer=w number=2 error="no such room"`,
		} {
			if got := strings.Count(log.String(), want); got != 1 {
				t.Errorf("%d times in the log: %s\n%s", got, want, log.String())
			}
		}
	})
}
