package session

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// pollOn returns the link of a poll: a new one, or one that continues the link of that
// number.
func pollOn(t *testing.T, m *Manager, reader string, number uint64) *Link {
	t.Helper()
	l, err := m.Attach(t.Context(), Attach{ID: "id", Reader: reader, Number: number, Poll: true, Wake: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// delaying is a store whose answer to the next Attach is delayed while hold blocks. The
// step itself is done before.
type delaying struct {
	store.Store
	hold func()
}

type delayingLog struct {
	store.Log
	store *delaying
}

func (s *delaying) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	return delayingLog{log, s}, created, err
}

func (l delayingLog) Attach(ctx context.Context, c store.Claim) (store.Attached, error) {
	a, err := l.Log.Attach(ctx, c)
	if hold := l.store.hold; hold != nil {
		l.store.hold = nil
		hold()
	}
	return a, err
}

// D9: if two polls come at once, the later one carries the link, in whatever order they
// proceed. Neither leaves a link behind that keeps the session alive.
func TestD9PollsOvertake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		slow := &delaying{Store: memory.New(memory.Options{})}
		m := New(Options{Store: slow, OnEnd: func(context.Context, store.Ended) { ended.Add(1) }})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		first := pollOn(t, m, "r", 0)
		first.Park(30 * time.Second)

		held, release := make(chan struct{}), make(chan struct{})
		slow.hold = func() { close(held); <-release }
		done := make(chan struct{})
		go func() {
			defer close(done)
			slow := pollOn(t, m, "r", first.Hello.Link.Number)
			var b Batch
			if err := slow.Take(t.Context(), &b); err != nil || b.End != EndSuperseded {
				t.Errorf("the overtaken poll: %+v, %v", b, err)
			}
			slow.Close()
		}()
		<-held
		pollOn(t, m, "r", first.Hello.Link.Number).Park(30 * time.Second)
		close(release)
		<-done
		if n := len(m.local.links()); n != 1 {
			t.Errorf("%d links here, want 1", n)
		}
		if time.Sleep(5 * time.Minute); ended.Load() != 1 {
			t.Errorf("the session ended %d times", ended.Load())
		}
	})
}

// D9: a poll whose client leaves just when the next poll comes leaves nothing behind.
func TestD9PollLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		l := pollOn(t, m, "r", 0)
		for range 10 {
			next := pollOn(t, m, "r", l.Hello.Link.Number)
			l.Park(30 * time.Second)
			l = next
		}
		if n := len(m.local.links()); n != 1 {
			t.Errorf("%d links here, want 1", n)
		}
		l.Close()
	})
}

// L1, D9: a link beyond the bound ends the link that was heard of least recently, and no
// other poll's link.
func TestD9PollsBesideStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Options{MaxLinks: 2})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		stream := func(name string) {
			l, err := m.Attach(t.Context(), Attach{ID: "id", Reader: name, Wake: func() {}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.Close)
		}
		stream("the oldest")
		time.Sleep(45 * time.Second)
		l := pollOn(t, m, "r", 0)
		l.Park(30 * time.Second)
		time.Sleep(15 * time.Second)
		stream("one too many")
		pollOn(t, m, "r", l.Hello.Link.Number).Close()

		for i := range 10 { // but of parked links there are no more than that
			time.Sleep(time.Minute)
			pollOn(t, m, fmt.Sprint(i), 0).Park(time.Hour)
		}
		parked := 0
		for _, l := range m.local.links() {
			if l.end.state() == linkParked {
				parked++
			}
		}
		if parked != 2 {
			t.Errorf("%d parked links, want 2", parked)
		}
	})
}
