package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
)

// D8: a session that another node ended and began anew is found, though this node still has to do with the old one.
func TestD8BegunAnewElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := session.NewMemory(0)
		here, there := session.New(session.Options{Store: store}), session.New(session.Options{Store: store})
		for _, m := range []*session.Manager{here, there} {
			t.Cleanup(func() { m.Shutdown(context.Background()) })
		}
		anew := func() *session.Link {
			link(t, here, session.Attach{ID: "id", Reader: "r"}).Close() // it may come back for ten seconds
			if err := there.End(t.Context(), "id"); err != nil {
				t.Fatal(err)
			}
			return link(t, there, session.Attach{ID: "id", Reader: "other"})
		}
		l := anew()
		if err := here.Send(t.Context(), "id", session.Text("x")); err != nil {
			t.Errorf("Send: %v", err)
		}
		l.Close()
		l = anew()
		var b session.Batch
		if err := here.Revalidate(t.Context(), "id"); err != nil {
			t.Errorf("Revalidate: %v", err)
		}
		if err := l.Take(t.Context(), &b); err != nil || b.End != session.Renewed {
			t.Errorf("after Revalidate: %+v, %v", b, err)
		}
		l.Close()
		time.Sleep(5 * time.Minute)
	})
}
