package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// I6: if a session gets another id, its readers are reported gone under the old one and
// attached under the new one, so that readers can be counted by id, and a page gets its
// whole state again.
func TestI6ReadersMove(t *testing.T) {
	for _, joins := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var said []string
			say := func(what string) func(context.Context, *session.Session, session.ReaderInfo) {
				return func(ctx context.Context, s *session.Session, r session.ReaderInfo) {
					said = append(said, fmt.Sprintf("%s %s %s", r.Reader, what, s.ID()))
					_, err := s.Send(ctx, store.Text("x"))
					if left := what == "leaves"; left != errors.Is(err, store.ErrNotFound) {
						t.Errorf("%s %s: Send: %v", r.Reader, what, err)
					}
				}
			}

			m := session.New(session.Options{OnAttach: say("joins"), OnDetach: say("leaves")})
			t.Cleanup(func() { m.Shutdown(context.Background()) })
			want := []string{"tab joins anon", "tab leaves anon", "tab joins user"}
			if joins {
				link(t, m, session.Attach{ID: "user", Reader: "other"}).Close()
				said = nil
			}

			before := link(t, m, session.Attach{ID: "anon", Reader: "tab"})
			if err := m.Move(t.Context(), "anon", "user", ""); err != nil {
				t.Fatal(err)
			}
			before.Close()
			after := link(t, m, session.Attach{ID: "user", Reader: "tab", Position: before.Hello.Position.String()})

			time.Sleep(9 * time.Second)
			synctest.Wait()
			if !slices.Equal(said, want) {
				t.Errorf("said %q, want %q", said, want)
			}
			after.Close()
		})
	}
}
