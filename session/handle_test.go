package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A handle of a session that has ended always returns the same error, however the session
// ended, so that an application that keeps a handle need not know.
func TestD8HandleOfWhatIsOver(t *testing.T) {
	for name, over := range map[string]func(ctx context.Context, m *session.Manager) error{
		"ended":   func(ctx context.Context, m *session.Manager) error { return m.End(ctx, "id") },
		"revoked": func(ctx context.Context, m *session.Manager) error { return m.Revoke(ctx, "id") },
		"joined to another": func(ctx context.Context, m *session.Manager) error {
			_, err := m.Open(ctx, "to")
			return errors.Join(err, m.Move(ctx, "id", "to", ""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := session.New(session.Options{})
				t.Cleanup(func() { m.Shutdown(context.Background()) })
				s, err := m.Open(t.Context(), "id")
				if err != nil {
					t.Fatal(err)
				}

				if err := over(t.Context(), m); err != nil {
					t.Fatal(err)
				}

				failure := func(_ store.Position, err error) error { return err }
				for what, err := range map[string]error{
					"Session.Send":   failure(s.Send(t.Context(), store.Text("x"))),
					"Session.SendTo": failure(s.SendTo(t.Context(), "r", store.Text("x"))),
					"Manager.Send":   failure(m.Send(t.Context(), "id", store.Text("x"))),
				} {
					if !errors.Is(err, store.ErrNotFound) {
						t.Errorf("%s: %v", what, err)
					}
				}
			})
		})
	}
}
