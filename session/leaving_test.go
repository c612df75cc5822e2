package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store/memory"
)

// D7: a link that polls carry ends with its page, whichever nodes the polls came to.
func TestD7LeavingAtAnotherNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone time.Time
		o := session.Options{
			Store:    memory.New(memory.Options{}),
			OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { gone = time.Now() },
		}
		nodes := []*session.Manager{session.New(o), session.New(o)}
		defer func() {
			for _, m := range nodes {
				m.Shutdown(context.Background())
			}
		}()

		stays := link(t, nodes[0], session.Attach{ID: "id", Reader: "stays"})
		defer stays.Close()
		for _, last := range nodes {
			for _, leaves := range nodes {
				l := link(t, nodes[0], session.Attach{ID: "id", Reader: "r", Poll: true})
				l.Park(30 * time.Second)
				next := link(t, last, session.Attach{ID: "id", Reader: "r", Poll: true, Number: l.Hello.Link.Number})
				next.Park(30 * time.Second)
				ref := l.Hello.Link
				ref.Turn = 0 // as a token names it

				start := time.Now()
				up := session.Upstream{ID: "id", Link: ref, Writer: "w", Base: 1, Leaving: true}
				if _, err := leaves.Receive(t.Context(), up); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if took := gone.Sub(start); took < 10*time.Second || took > 12*time.Second {
					t.Errorf("polls at %p and %p, the goodbye at %p: it is gone after %v", nodes[0], last, leaves, took)
				}
			}
		}
	})
}
