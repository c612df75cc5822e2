package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// meanwhile is a store on which something happens between its answer to Open and the next
// step of the log.
type meanwhile struct {
	store.Store
	happens func()
}

func (s *meanwhile) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	if happens := s.happens; happens != nil {
		s.happens = nil
		happens()
	}
	return log, created, err
}

// I11, I6: a link that is requested while its id is revoked or moved does not begin under
// that id: its client must come back, and its id is resolved again. Only if the session
// has just ended does a new one begin.
func TestI11AttachMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(ctx context.Context, m *session.Manager) error
		want    error
	}{
		{"revoked", func(ctx context.Context, m *session.Manager) error {
			return m.Revoke(ctx, "id")
		}, session.ErrSettling},
		{"joined to another", func(ctx context.Context, m *session.Manager) error {
			if _, err := m.Open(ctx, "to"); err != nil {
				return err
			}
			return m.Move(ctx, "id", "to", "")
		}, session.ErrSettling},
		{"moved", func(ctx context.Context, m *session.Manager) error {
			return m.Move(ctx, "id", "to", "")
		}, session.ErrSettling},
		{"ended", func(ctx context.Context, m *session.Manager) error {
			return m.End(ctx, "id")
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &meanwhile{Store: memory.New(memory.Options{})}
				m := session.New(session.Options{Store: s})
				t.Cleanup(func() { m.Shutdown(context.Background()) })
				s.happens = func() {
					if err := tt.happens(t.Context(), m); err != nil {
						t.Error(err)
					}
				}

				asked := store.Asked{Signed: m.Now(), Came: m.Now()}
				l, err := m.Attach(t.Context(), session.Attach{ID: "id", Asked: asked, Reader: "r"})
				if !errors.Is(err, tt.want) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if err == nil {
					l.Close()
				}
				if _, err := m.Send(t.Context(), "id", store.Text("x")); (err == nil) != (tt.want == nil) {
					t.Errorf("a session under the id: %v", err)
				}

				time.Sleep(store.Settle)
				asked = store.Asked{Signed: m.Now(), Came: m.Now()}
				if l, err := m.Attach(t.Context(), session.Attach{ID: "id", Asked: asked, Reader: "r"}); err != nil {
					t.Errorf("afterwards: %v", err)
				} else {
					l.Close()
				}
			})
		})
	}
}
