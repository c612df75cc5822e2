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

// D8: a session that another node has ended and begun again is found, even if this node
// still uses the old one.
func TestD8BegunAnewElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Options{})
		here, there := session.New(session.Options{Store: kept}), session.New(session.Options{Store: kept})
		for _, m := range []*session.Manager{here, there} {
			t.Cleanup(func() { m.Shutdown(context.Background()) })
		}

		fresh := func() *session.Link {
			link(t, here, session.Attach{ID: "id", Reader: "r"}).Close() // it may come back for ten seconds
			if err := there.End(t.Context(), "id"); err != nil {
				t.Fatal(err)
			}
			return link(t, there, session.Attach{ID: "id", Reader: "other"})
		}

		l := fresh()
		if _, err := here.Send(t.Context(), "id", store.Text("x")); err != nil {
			t.Errorf("Send: %v", err)
		}
		l.Close()

		l = fresh()
		var b session.Batch
		if err := here.Revalidate(t.Context(), "id"); err != nil {
			t.Errorf("Revalidate: %v", err)
		}
		if err := l.Take(t.Context(), &b); err != nil || b.End != session.EndRenewed {
			t.Errorf("after Revalidate: %+v, %v", b, err)
		}
		l.Close()
		time.Sleep(5 * time.Minute)
	})
}

// I7: after Revalidate, a hook that answered before does not count: it admits neither a
// link nor a message without one.
func TestI7RevalidateWhileALinkBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := memory.New(memory.Options{})
		handled := 0
		o := session.Options{Store: memory, OnMessage: func(context.Context, *session.Session, session.Incoming) error {
			handled++
			return nil
		}}
		here, there := session.New(o), session.New(o)
		for _, m := range []*session.Manager{here, there} {
			t.Cleanup(func() { m.Shutdown(context.Background()) })
		}
		link(t, there, session.Attach{ID: "id", Reader: "r"}).Close()

		// Its hook has answered, and it has not attached yet.
		came := store.Asked{Signed: here.Now().Add(-time.Hour), Came: here.Now()}
		if err := there.Revalidate(t.Context(), "id"); err != nil {
			t.Fatal(err)
		}

		begin := func(m *session.Manager, asked store.Asked) error {
			l, err := m.Attach(t.Context(), session.Attach{ID: "id", Asked: asked, Reader: "r"})
			if err == nil {
				l.Close()
			}
			return err
		}
		say := func(m *session.Manager, asked store.Asked) error {
			_, err := m.Receive(t.Context(), session.Upstream{
				ID: "id", Asked: asked, Messages: []session.Numbered{{Message: store.Text("x")}},
			})
			return err
		}

		for name, m := range map[string]*session.Manager{"here": here, "there": there} {
			if err := begin(m, came); !errors.Is(err, session.ErrSettling) {
				t.Errorf("%s: a link begins: %v", name, err)
			}
			if err := say(m, came); !errors.Is(err, session.ErrSettling) || handled > 0 {
				t.Errorf("%s: a message is taken: %v", name, err)
			}
		}

		// It comes back, through the hook.
		came.Came = here.Now()
		if err := begin(here, came); err != nil {
			t.Errorf("a link that came after it: %v", err)
		}
		if err := say(here, came); err != nil || handled != 1 {
			t.Errorf("a message that came after it: %v", err)
		}
		time.Sleep(5 * time.Minute)
	})
}

// L1: Shutdown does not wait for messages whose turn another node has. That node may be
// dead, and then the turn lasts for its lease.
func TestL1ShutdownDuringForeignTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, release := memory.New(memory.Options{}), make(chan struct{})
		o := session.Options{Store: kept, OnMessage: func(context.Context, *session.Session, session.Incoming) error {
			<-release
			return nil
		}}
		here, there := session.New(o), session.New(o)
		l := link(t, here, session.Attach{ID: "id", Reader: "r"})
		up := session.Upstream{
			ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1,
			Messages: []session.Numbered{{Number: 1, Message: store.Text("x")}},
		}
		answers := make(chan error, 2)
		for _, m := range []*session.Manager{there, here} {
			go func() { _, err := m.Receive(context.Background(), up); answers <- err }()
			synctest.Wait()
		}
		l.Close()

		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := here.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		close(release)
		if a, b := <-answers, <-answers; !errors.Is(a, session.ErrClosed) || b != nil {
			t.Errorf("Receive: %v, and on the other node %v", a, b)
		}
		if err := there.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
