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

// L1, I7: a link ends at its age even if there is always more to read. The age of a
// validation must not depend on how much is sent.
func TestL1AgedUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{Overflow: store.OverflowDropOldest})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		l := link(t, m, session.Attach{ID: "id", Reader: "r", Life: time.Minute, Wake: func() {}})
		defer l.Close()
		msg := store.Message{Data: make([]byte, 60<<10)}
		var b session.Batch

		for range 100 {
			for range 2 {
				if _, err := m.Send(t.Context(), "id", msg); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Take(t.Context(), &b); err != nil || len(b.Entries) == 0 {
				t.Fatal(err, len(b.Entries))
			}
			if b.End != "" {
				break
			}
			if err := l.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: b.Entries[0].Seq}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}

		if b.End != session.EndAged || b.More {
			t.Errorf("after 100 s a link of one minute has the end %q, more %v", b.End, b.More)
		}
	})
}

// unreadable is a store that fails when a log is read.
type unreadable struct{ store.Store }

type unreadableLog struct{ store.Log }

func (s unreadable) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	return unreadableLog{log}, created, err
}

func (unreadableLog) Read(
	context.Context, store.LinkRef, uint64, int, []store.Entry,
) ([]store.Entry, store.Tail, error) {
	return nil, store.Tail{}, errors.New("the store is away")
}

// L1: Shutdown drains the links while the store is unavailable: ending a link needs no
// store.
func TestL1ShutdownWithoutStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{Store: unreadable{memory.New(memory.Options{})}})
		woken := make(chan struct{}, 1)
		l := link(t, m, session.Attach{ID: "id", Reader: "r", Wake: func() { woken <- struct{}{} }})
		var b session.Batch
		if err := l.Take(t.Context(), &b); err == nil {
			t.Error("the store did not fail")
		}
		down := make(chan error)
		go func() { down <- m.Shutdown(context.Background()) }()
		<-woken
		if err := l.Take(t.Context(), &b); err != nil || b.End != session.EndDrained || b.Retry == 0 {
			t.Errorf("%+v, %v", b, err)
		}
		l.Close()
		if err := <-down; err != nil {
			t.Error(err)
		}
	})
}

// L1: Shutdown waits for every callback that has begun, whichever call it belongs to.
func TestL1ShutdownWaitsForCallbacks(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, m *session.Manager) error{
		"OnOpen": func(ctx context.Context, m *session.Manager) error { _, err := m.Open(ctx, "new"); return err },
		"OnDetach": func(ctx context.Context, m *session.Manager) error {
			return m.Quit(ctx, session.Quit{ID: "id", Link: store.LinkRef{Reader: "r"}})
		},
		"OnEnd": func(ctx context.Context, m *session.Manager) error { return m.End(ctx, "id") },
		"OnAttach": func(ctx context.Context, m *session.Manager) error {
			l, err := m.Attach(ctx, session.Attach{ID: "id", Reader: "other"})
			if err == nil {
				l.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := ""
				begun, release := make(chan struct{}), make(chan struct{})
				wait := func(what string) {
					if what == slow {
						close(begun)
						<-release
					}
				}
				m := session.New(session.Options{
					OnOpen:   func(context.Context, *session.Session) { wait("OnOpen") },
					OnAttach: func(context.Context, *session.Session, session.ReaderInfo) { wait("OnAttach") },
					OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { wait("OnDetach") },
					OnEnd:    func(context.Context, store.Ended) { wait("OnEnd") },
				})

				link(t, m, session.Attach{ID: "id", Reader: "r"}).Close()
				slow = name
				acted := make(chan error, 1)
				go func() { acted <- act(context.Background(), m) }()
				<-begun

				down := make(chan error, 1)
				go func() { down <- m.Shutdown(context.Background()) }()
				synctest.Wait()
				select {
				case <-down:
					t.Error("Shutdown has returned while the callback runs")
				default:
				}

				close(release)
				if err := <-acted; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
