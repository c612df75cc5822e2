package session_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// L1: the longest Duration means for ever, in every option and wherever a transport gives
// one. It does not mean "at once", as a sum that overflows would.
func TestL1Forever(t *testing.T) {
	const forever = math.MaxInt64
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{
			Retention: forever, Remember: forever, Heartbeat: forever, AckTimeout: forever,
		})
		t.Cleanup(func() { m.Shutdown(context.Background()) })

		if _, err := m.Open(t.Context(), "open"); err != nil {
			t.Fatal(err)
		}
		if err := m.Revoke(t.Context(), "revoked"); err != nil {
			t.Fatal(err)
		}

		var links []*session.Link
		for range 20 { // the heartbeat is jittered
			links = append(links, link(t, m, session.Attach{ID: "id", Reader: "r", Life: forever}))
		}
		parked := link(t, m, session.Attach{ID: "poll", Reader: "r", Poll: true})
		parked.Park(forever)
		if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
			t.Fatal(err)
		}

		var b session.Batch
		for range 3 {
			time.Sleep(20 * 24 * time.Hour)
			synctest.Wait()
			for _, l := range links {
				if err := l.Take(t.Context(), &b); err != nil || b.End != "" || b.Beat {
					t.Fatalf("%+v, %v", b, err)
				}
			}
		}

		for _, id := range []string{"open", "id"} {
			if _, err := m.Send(t.Context(), id, store.Text("y")); err != nil {
				t.Errorf("session %s: %v", id, err)
			}
		}
		long := m.Now().Add(-time.Hour * 24 * 100)
		is, err := m.Resolve(t.Context(), "revoked", store.Asked{Signed: long, Came: long}, "")
		if err != nil || is.State != store.StateRevoked {
			t.Error("what was revoked is good again")
		}

		again, err := m.Attach(t.Context(), session.Attach{
			ID: "poll", Reader: "r", Number: parked.Hello.Link.Number, Poll: true,
		})
		if err != nil {
			t.Fatalf("the parked link: %v", err)
		}
		for _, l := range append(links, again) {
			l.Close()
		}
	})
}
