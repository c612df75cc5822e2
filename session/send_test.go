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

// D8: SendTo reaches one reader of a session, on whichever node it is. A reader that does
// not exist does not mean that the session has ended.
func TestD8SendToById(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Options{})
		here, there := session.New(session.Options{Store: kept}), session.New(session.Options{Store: kept})
		for _, m := range []*session.Manager{here, there} {
			t.Cleanup(func() { m.Shutdown(context.Background()) })
		}
		sendTo := func(id, reader string, want error) store.Position {
			t.Helper()
			at, err := here.SendTo(t.Context(), id, reader, store.Text("x"))
			if !errors.Is(err, want) || (err == nil) == (at == store.Position{}) {
				t.Errorf("SendTo %s of %s: %v, %v; want %v", reader, id, at, err, want)
			}
			return at
		}
		sendTo("id", "tab", store.ErrNotFound)

		tab := link(t, here, session.Attach{ID: "id", Reader: "tab"})
		other := link(t, here, session.Attach{ID: "id", Reader: "other"})
		polls := link(t, here, session.Attach{ID: "id", Reader: "polls", Poll: true})
		polls.Park(30 * time.Second)
		at := sendTo("id", "tab", nil)
		sendTo("id", "nobody", store.ErrNotFound)
		var b session.Batch
		if err := tab.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 || b.Entries[0].Seq != at.Seq {
			t.Errorf("the reader has %+v, %v; want message %d", b.Entries, err, at.Seq)
		}
		if err := other.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 || b.Entries[0].Message != nil {
			t.Errorf("another reader has %+v, %v", b.Entries, err)
		}
		again := session.Attach{ID: "id", Reader: "polls", Poll: true, Number: polls.Hello.Link.Number}
		link(t, here, again).Close() // the parked link lives

		// This node does not know that another one has ended the session and made the
		// next one.
		if err := there.End(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}
		sendTo("id", "tab", store.ErrNotFound)
		fresh := link(t, there, session.Attach{ID: "id", Reader: "tab"})
		at = sendTo("id", "tab", nil)
		if err := fresh.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 || b.Entries[0].Seq != at.Seq {
			t.Errorf("the reader of the next session has %+v, %v", b.Entries, err)
		}
		for _, l := range []*session.Link{tab, other, fresh} {
			l.Close()
		}
		if err := here.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		sendTo("id", "tab", session.ErrClosed)
	})
}
