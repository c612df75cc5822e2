package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A session is registered as long as it has a user, and after that until its buckets are
// full.
func TestRegistryStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{LinkRate: 1, LinkBurst: 10})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		acquire := func() *Session {
			t.Helper()
			s, err := m.acquireFresh(t.Context(), "id", opening{create: true})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		is := func(s *Session, want sessionState, here bool) {
			t.Helper()
			synctest.Wait()
			if s.state != want || (m.local.find("id") == s) != here {
				t.Errorf("state %d, want %d; it is here: %v, want %v", s.state, want, !here, here)
			}
		}

		s := acquire()
		again := acquire()
		is(s, sessionLive, true)
		if again != s {
			t.Error("two sessions with one log")
		}
		m.local.release(s)
		is(s, sessionLive, true)
		m.local.release(s)
		is(s, sessionGone, false) // its buckets are full

		s = acquire()
		for range 2 {
			if wait := s.begun.take(m.now(), m.o.LinkRate, m.o.LinkBurst); wait > 0 {
				t.Fatal(wait)
			}
		}
		m.local.release(s)
		is(s, sessionLingering, true)
		time.Sleep(time.Second)
		if m.local.reuse("id") != s {
			t.Fatal("a lingering session is not reused")
		}
		is(s, sessionLive, true)
		s.begun.take(m.now(), m.o.LinkRate, m.o.LinkBurst)
		m.local.release(s)
		time.Sleep(1500 * time.Millisecond) // the first alarm has rung, half a second early
		is(s, sessionLingering, true)
		time.Sleep(500 * time.Millisecond)
		is(s, sessionGone, false)
	})
}

// A session that replaces another one gets its buckets, and nothing of the other lingers.
func TestRegistryReplaces(t *testing.T) {
	m := New(Options{LinkRate: 1, LinkBurst: 10})
	t.Cleanup(func() { m.Shutdown(context.Background()) })

	begin := func(users int) *Session {
		t.Helper()
		var s *Session
		for range users {
			var err error
			if s, err = m.acquireFresh(t.Context(), "id", opening{create: true}); err != nil {
				t.Fatal(err)
			}
		}
		s.begun.take(m.now(), m.o.LinkRate, m.o.LinkBurst)
		stops := 0
		s.stop = func() { stops++ }
		t.Cleanup(func() {
			if stops > 1 || s.state == sessionGone && stops == 0 {
				t.Errorf("stopped %d times", stops)
			}
		})
		if _, err := m.store.End(t.Context(), "id", 0); err != nil {
			t.Fatal(err)
		}
		return s
	}

	for _, lingers := range []bool{false, true} {
		first := begin(2)
		m.local.release(first)
		if lingers {
			m.local.release(first)
		}
		second := begin(1)
		want := sessionReplaced
		if lingers {
			want = sessionGone
		}
		if first.state != want || second.state != sessionLive || !first.ended.Load() {
			t.Errorf("lingers %v: the first is %d, want %d; the second is %d", lingers, first.state, want, second.state)
		}
		if used := second.begun.used; used < 1.9 {
			t.Errorf("%v of the new one's bucket is used", used)
		}

		if !lingers {
			m.local.release(first)
		}
		m.local.release(second)
		if first.state != sessionGone || len(m.local.former) != 0 {
			t.Errorf("lingers %v: the first is still here", lingers)
		}
	}
}
