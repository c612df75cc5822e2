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

// refusing is a store in which no session ends or moves.
type refusing struct {
	store.Store
	err error
}

func (r refusing) End(context.Context, string, time.Duration) (store.Ended, error) {
	return store.Ended{}, r.err
}

func (r refusing) Move(context.Context, string, string, store.Moving) ([]store.Left, error) {
	return nil, r.err
}

// L1: if a session could not be ended or moved, it keeps the links that it has here. A
// parked one continues, and Shutdown ends them all.
func TestL1ShutdownAfterARefusedEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		end  func(m *session.Manager) error
	}{
		{"End", store.ErrUncertain, func(m *session.Manager) error { return m.End(t.Context(), "a") }},
		{"Revoke", store.ErrBudget, func(m *session.Manager) error { return m.Revoke(t.Context(), "a") }},
		{"Move", store.ErrUncertain, func(m *session.Manager) error { return m.Move(t.Context(), "a", "b", "") }},
		{"Replace", store.ErrMoved, func(m *session.Manager) error {
			return m.Replace(t.Context(), "a", "b", store.Asked{}, "")
		}},
		{"Rotate", store.ErrRevoked, func(m *session.Manager) error {
			return m.Rotate(t.Context(), "a", "b", store.Asked{})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := session.New(session.Options{Store: refusing{memory.New(memory.Options{}), tt.err}})
				stream := link(t, m, session.Attach{ID: "a", Reader: "stream"})
				begin := session.Attach{ID: "a", Reader: "poll", Poll: true}
				poll := link(t, m, begin)
				poll.Park(time.Minute)
				if err := tt.end(m); !errors.Is(err, tt.err) {
					t.Fatal(err)
				}

				goOn := begin
				goOn.Number = poll.Hello.Link.Number
				for _, a := range []session.Attach{goOn, begin} {
					if l, err := m.Attach(t.Context(), a); err != nil {
						t.Errorf("Attach, going on with %d: %v", a.Number, err)
					} else {
						l.Park(time.Minute)
					}
				}

				shutDown(t, m, stream)
			})
		})
	}
}

// shutDown shuts m down, which has to end the link.
func shutDown(t *testing.T, m *session.Manager, l *session.Link) {
	t.Helper()
	go func() {
		var b session.Batch
		for b.End == "" {
			if err := l.Next(context.Background(), &b); err != nil {
				t.Error(err)
				return
			}
		}
		l.Close()
	}()
	late, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Shutdown(late); err != nil {
		t.Errorf("Shutdown: %v", err)
		l.Drain(0)
	}
}

// slow is a store whose answers come late. Other calls are served meanwhile.
type slow struct {
	store.Store
	meanwhile func()
	opened    func() // once
}

func (s *slow) End(ctx context.Context, id string, refuse time.Duration) (store.Ended, error) {
	ended, err := s.Store.End(ctx, id, refuse)
	s.meanwhile()
	return ended, err
}

func (s *slow) Move(ctx context.Context, from, to string, how store.Moving) ([]store.Left, error) {
	left, err := s.Store.Move(ctx, from, to, how)
	s.meanwhile()
	return left, err
}

// slowLog is a log of slow.
type slowLog struct {
	store.Log
	s *slow
}

func (s *slow) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	if then := s.opened; then != nil {
		s.opened = nil
		then()
	}
	return slowLog{log, s}, created, err
}

func (l slowLog) Quit(ctx context.Context, ref store.LinkRef) (bool, *store.Ended, error) {
	here, ended, err := l.Log.Quit(ctx, ref)
	l.s.meanwhile()
	return here, ended, err
}

// L1: a session that begins under the id of one that is ending or moving is a different
// session, and Shutdown finds its links. The same holds for a session that moves to the
// id of such a one.
func TestL1ShutdownOfTheNextSession(t *testing.T) {
	for name, end := range map[string]func(m *session.Manager) error{
		"End":            func(m *session.Manager) error { return m.End(t.Context(), "a") },
		"Move":           func(m *session.Manager) error { return m.Move(t.Context(), "a", "b", "") },
		"Move to itself": func(m *session.Manager) error { return m.Move(t.Context(), "a", "a", "") },
		"Quit": func(m *session.Manager) error {
			return m.Quit(t.Context(), session.Quit{ID: "a", Link: store.LinkRef{Reader: "first"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slow{Store: memory.New(memory.Options{})}
				m := session.New(session.Options{Store: s})
				first := link(t, m, session.Attach{ID: "a", Reader: "first"})
				var next *session.Link
				s.meanwhile = func() { next = link(t, m, session.Attach{ID: "a", Reader: "next"}) }

				if err := end(m); err != nil {
					t.Fatal(err)
				}
				first.Close()
				link(t, m, session.Attach{ID: "a", Reader: "other"}).Close()
				shutDown(t, m, next)
			})
		})
	}
}

// L1: a session that a node finds under an id may have ended before the node uses it, and
// the next session may be here already.
func TestL1ShutdownAfterALateOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{Store: memory.New(memory.Options{}), meanwhile: func() {}}
		m := session.New(session.Options{Store: s})
		var next *session.Link
		s.opened = func() {
			if err := m.End(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			next = link(t, m, session.Attach{ID: "a", Reader: "next"})
		}
		link(t, m, session.Attach{ID: "a", Reader: "late"}).Close()
		shutDown(t, m, next)
	})
}
