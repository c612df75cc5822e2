package session_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// closings collects the calls of OnClose.
type closings struct {
	mu  sync.Mutex
	all []session.Closed
}

func (c *closings) add(one session.Closed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, one)
}

func (c *closings) want(t *testing.T, want ...session.Closed) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) != len(want) {
		t.Fatalf("told of %+v, want %+v", c.all, want)
	}
	for i := range want {
		if c.all[i] != want[i] {
			t.Errorf("told of %+v, want %+v", c.all[i], want[i])
		}
	}
	c.all = nil
}

func poll(t *testing.T, m *session.Manager, number uint64, addr string) *session.Link {
	t.Helper()
	a := session.Attach{ID: "id", Reader: "r", Number: number, Poll: true, RemoteAddr: addr, Wake: func() {}}
	return link(t, m, a)
}

// L3: OnClose is called once for each link, with its totals.
func TestL3OnCloseOfLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told closings
		m := session.New(session.Options{OnClose: told.add})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		attach := session.Attach{ID: "id", Reader: "r", RemoteAddr: "192.0.2.1:1"}
		closed := session.Closed{ID: "id", Reader: "r", Transport: "test", RemoteAddr: "192.0.2.1:1"}

		l := link(t, m, attach)
		l.Wrote(300)
		l.Wrote(4)
		time.Sleep(3 * time.Second)
		l.Close()
		l.Close()
		left := closed
		left.Bytes, left.Duration = 304, 3*time.Second
		told.want(t, left)

		attach.Life = time.Minute
		l = link(t, m, attach)
		time.Sleep(2 * time.Minute)
		told.want(t) // its transport is not done
		l.Close()
		aged := closed
		aged.Duration, aged.End = 2*time.Minute, session.EndAged
		told.want(t, aged)
	})
}

// L3, D9: OnClose is called once for a link that polls carry, with the totals of all
// polls.
func TestL3OnCloseOfPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told closings
		m := session.New(session.Options{OnClose: told.add})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		closed := session.Closed{ID: "id", Reader: "r", Transport: "test", RemoteAddr: "c"}
		begin := func() uint64 {
			first := poll(t, m, 0, "a")
			first.Wrote(100)
			first.Park(30 * time.Second)
			time.Sleep(20 * time.Second)
			return first.Hello.Link.Number
		}

		number := begin()
		second := poll(t, m, number, "b")
		second.Wrote(20)
		second.Park(30 * time.Second)
		time.Sleep(20 * time.Second)
		third := poll(t, m, number, "c")
		third.Wrote(3)
		third.Park(30 * time.Second)
		told.want(t)
		time.Sleep(29 * time.Second)
		told.want(t)
		time.Sleep(time.Second)
		closed.Bytes, closed.Duration = 123, 70*time.Second
		told.want(t, closed)

		// A poll that is still in progress when the next one comes is superseded, and is
		// not reported, whichever of them finishes first.
		for _, order := range []string{"old first", "new first"} {
			number = begin()
			second, third = poll(t, m, number, "b"), poll(t, m, number, "c")
			second.Wrote(20)
			third.Wrote(3)
			done := []*session.Link{second, third}
			if order == "new first" {
				done[0], done[1] = third, second
			}
			done[0].Close()
			told.want(t)
			done[1].Close()
			closed.Duration = 20 * time.Second
			told.want(t, closed)
		}

		// A poll that is refused does not continue the link.
		number = begin()
		other := session.Attach{ID: "id", Reader: "other", Number: number, Poll: true}
		if _, err := m.Attach(t.Context(), other); err == nil {
			t.Fatal("another reader's link was granted")
		}
		time.Sleep(10 * time.Second)
		closed.Bytes, closed.Duration, closed.RemoteAddr = 100, 30*time.Second, "a"
		told.want(t, closed)
	})
}

// late is a store that holds up the answer to an Attach with a number.
type late struct {
	store.Store
	granted, answer chan struct{}
}

type lateLog struct {
	store.Log
	store *late
}

func (s *late) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	log, created, err := s.Store.Open(ctx, id, a, create, b)
	return lateLog{log, s}, created, err
}

func (l lateLog) Attach(ctx context.Context, c store.Claim) (store.Attached, error) {
	a, err := l.Log.Attach(ctx, c)
	if c.Link != 0 {
		close(l.store.granted)
		<-l.store.answer
	}
	return a, err
}

// L3: a link whose time between two polls ends just when the next poll is granted
// continues, and OnClose is called for it once.
func TestL3OnCloseAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told closings
		slow := &late{memory.New(memory.Options{}), make(chan struct{}), make(chan struct{})}
		m := session.New(session.Options{Store: slow, OnClose: told.add})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		first := poll(t, m, 0, "a")
		first.Wrote(100)
		first.Park(30 * time.Second)
		go func() {
			<-slow.granted
			time.Sleep(time.Minute) // the first one's alarm rings meanwhile
			close(slow.answer)
		}()
		second := poll(t, m, first.Hello.Link.Number, "b")
		told.want(t)
		second.Wrote(3)
		second.Close()
		told.want(t, session.Closed{
			ID: "id", Reader: "r", Transport: "test", RemoteAddr: "b", Bytes: 103, Duration: time.Minute,
		})
	})
}

// L3, L4: an OnClose that panics is logged and harms nothing, one that uses the Manager
// waits for no lock, and Shutdown waits for it.
func TestL3OnCloseMayDoAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var m *session.Manager
		done := 0
		m = session.New(session.Options{
			LogIDs: true,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			OnClose: func(c session.Closed) {
				ctx := context.Background()
				_, sent := m.Send(ctx, "id", store.Text("x"))
				renewed := m.Revalidate(ctx, "id")
				ended := m.End(ctx, "id")
				if c.Reader == "r" && (sent != nil || renewed != nil || ended != nil) {
					t.Errorf("Send: %v, Revalidate: %v, End: %v", sent, renewed, ended)
				}
				time.Sleep(time.Second)
				done++
				panic("boom")
			},
		})
		link(t, m, session.Attach{ID: "id", Reader: "r"}).Close()
		const want = `callback=OnClose panic=boom session=id reader=r transport=test`
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &log)
		}

		last := link(t, m, session.Attach{ID: "id", Reader: "last"})
		go last.Close()
		if err := m.Shutdown(context.Background()); err != nil || done != 2 {
			t.Errorf("Shutdown: %v, after %d calls", err, done)
		}
	})
}

// L3: the link of a reader that says goodbye between two polls ends at once.
func TestL3OnCloseOfGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told closings
		m := session.New(session.Options{OnClose: told.add})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		other := link(t, m, session.Attach{ID: "id", Reader: "other"}) // the session goes on
		defer other.Close()
		l := poll(t, m, 0, "192.0.2.1:1")
		l.Park(time.Minute)
		if err := m.Quit(t.Context(), session.Quit{ID: "id", Link: l.Hello.Link}); err != nil {
			t.Fatal(err)
		}
		told.want(t, session.Closed{
			ID: "id", Reader: "r", Transport: "test", RemoteAddr: "192.0.2.1:1", End: session.EndOver,
		})
	})
}

// H2: the largest possible bound acts as no bound, and does not overflow.
func TestH2HugeBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{
			MaxMessages: math.MaxInt, MaxBytes: math.MaxInt64, MaxMessageSize: math.MaxInt, MaxLinks: math.MaxInt,
			LinkRate: math.MaxInt, Rate: math.MaxInt, Burst: math.MaxInt, MaxBody: math.MaxInt, MaxBatch: math.MaxInt,
			OnMessage: func(context.Context, *session.Session, session.Incoming) error { return nil },
		})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		link(t, m, session.Attach{ID: "id", Reader: "r"}).Close()
		if o := m.Options(); o.MaxBody+1 < o.MaxBody || 10*o.MaxLinks < 0 || o.LinkBurst < o.MaxLinks {
			t.Errorf("%+v", o)
		}
		if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
			t.Error(err)
		}
	})
}
