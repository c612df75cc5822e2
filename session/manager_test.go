package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

func link(t testing.TB, m *session.Manager, a session.Attach) *session.Link {
	t.Helper()
	a.Transport = "test"
	l, err := m.Attach(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// L2: with 200 readers that read nothing and one that does, Send does not wait, and the
// one gets everything at once.
func TestL2SlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{MaxLinks: 500})
		defer m.Shutdown(context.Background())
		for i := range 200 {
			defer link(t, m, session.Attach{ID: "id", Reader: fmt.Sprint("slow", i)}).Close()
		}
		l := link(t, m, session.Attach{ID: "id", Reader: "quick"})
		defer l.Close()
		start := time.Now()
		var b session.Batch
		for i := range 500 {
			if _, err := m.Send(t.Context(), "id", store.Text(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if err := l.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 || b.Entries[0].Seq != uint64(i+1) {
				t.Fatalf("take %d: %v, %+v", i, err, b)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("sending took %v of the bubble's time", d)
		}
	})
}

// D7: reports of coming and going alternate for each reader, however it comes and goes.
func TestD7PresenceAlternates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		here := map[string]bool{}
		report := func(now bool) func(context.Context, *session.Session, session.ReaderInfo) {
			return func(_ context.Context, _ *session.Session, r session.ReaderInfo) {
				mu.Lock()
				defer mu.Unlock()
				if here[r.Reader] == now {
					t.Errorf("%s: reported %v twice", r.Reader, now)
				}
				here[r.Reader] = now
			}
		}

		m := session.New(session.Options{OnAttach: report(true), OnDetach: report(false), Retention: time.Hour})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				reader := fmt.Sprint("reader", i)
				for range 30 {
					var links []*session.Link
					for range 1 + rand.IntN(3) {
						links = append(links, link(t, m, session.Attach{ID: "id", Reader: reader}))
						time.Sleep(time.Duration(rand.IntN(4000)) * time.Millisecond)
					}
					for _, l := range links {
						l.Close()
					}
					if rand.IntN(5) == 0 {
						_ = m.Quit(t.Context(), session.Quit{ID: "id", Link: store.LinkRef{Reader: reader}})
					}
					time.Sleep(time.Duration(rand.IntN(20)) * time.Second)
				}
			})
		}

		wg.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		for reader, still := range here {
			if still {
				t.Errorf("%s is still reported here", reader)
			}
		}
		m.Shutdown(context.Background())
	})
}

// D6, L4: sessions come and go. Nothing is left of them, and OnEnd is called for each
// once.
func TestL4Abandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int64
		kept := memory.New(memory.Options{Budget: -1})
		m := session.New(session.Options{Store: kept, OnEnd: func(context.Context, store.Ended) { ended.Add(1) }})
		const n = 50_000 // storetest and TestL4AbandonedSessionsLeaveNothing go further
		for i := range n {
			link(t, m, session.Attach{ID: fmt.Sprint(i), Reader: "r"}).Close()
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if ended.Load() != n {
			t.Errorf("%d of %d sessions ended", ended.Load(), n)
		}
		for log := range kept.Logs(t.Context()) {
			t.Fatalf("%s is left", log.ID())
		}
		m.Shutdown(context.Background()) // a goroutine or timer that is left fails the bubble
	})
}

// U1, L2: with many writers and readers on few sessions, each message is handled once and
// in its writer's order, and each reader sees 1, 2, 3 …
func TestU1Crowd(t *testing.T) {
	var mu sync.Mutex
	last := map[string]uint64{}
	m := session.New(session.Options{
		Rate:        -1,
		MaxMessages: 100_000,
		MaxBytes:    64 << 20,
		OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
			mu.Lock()
			key := s.ID() + in.Writer
			if in.Number != last[key]+1 {
				t.Errorf("%s: %d after %d", key, in.Number, last[key])
			}
			last[key] = in.Number
			mu.Unlock()
			_, err := s.Send(ctx, in.Message)
			return err
		},
	})

	var wg sync.WaitGroup
	const sessions, writers, messages = 10, 10, 50
	for i := range sessions {
		id := fmt.Sprint("id", i)
		reader := link(t, m, session.Attach{ID: id, Reader: "reader"})
		wg.Go(func() {
			defer reader.Close()
			var b session.Batch
			for seq := uint64(0); seq < writers*messages; {
				if err := reader.Next(t.Context(), &b); err != nil {
					t.Error(err)
					return
				}
				for _, e := range b.Entries {
					if seq++; e.Seq != seq {
						t.Errorf("seq %d, want %d", e.Seq, seq)
						return
					}
				}
			}
		})

		for w := range writers {
			wg.Go(func() {
				up := session.Upstream{ID: id, Link: reader.Hello.Link, Writer: fmt.Sprint("writer", w), Base: 1}
				for n := uint64(1); n <= messages; n++ {
					up.Messages = []session.Numbered{{Number: n, Message: store.Text("x")}}
					for range 1 + rand.IntN(2) { // repeats
						if _, err := m.Receive(t.Context(), up); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}

	wg.Wait()
	if err := m.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// U2: a panic of the handler counts as an answer, and its number is used up.
func TestU2Panic(t *testing.T) {
	calls := 0
	m := session.New(session.Options{
		OnMessage: func(context.Context, *session.Session, session.Incoming) error { calls++; panic("no") },
	})
	defer m.Shutdown(context.Background())
	l := link(t, m, session.Attach{ID: "id", Reader: "r"})
	defer l.Close()
	up := session.Upstream{
		ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1,
		Messages: []session.Numbered{{Number: 1, Message: store.Text("x")}},
	}
	got, err := m.Receive(t.Context(), up)
	if err != nil || got.Accepted != 1 || len(got.Failed) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = m.Receive(t.Context(), up); err != nil || got.Accepted != 1 || len(got.Failed) != 0 || calls != 1 {
		t.Errorf("again: %+v, %v, %d calls", got, err, calls)
	}
}

// L1, U2: if Shutdown's context cuts off a handler, its number is given back.
func TestL1ShutdownCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := memory.New(memory.Options{})
		m := session.New(session.Options{
			Store: kept,
			OnMessage: func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
				<-ctx.Done()
				return ctx.Err()
			},
		})

		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		up := session.Upstream{
			ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1,
			Messages: []session.Numbered{{Number: 1, Message: store.Text("x")}},
		}
		answer := make(chan error)
		go func() { _, err := m.Receive(context.Background(), up); answer <- err }()
		synctest.Wait()
		l.Close()

		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-answer; !errors.Is(err, session.ErrClosed) {
			t.Errorf("Receive: %v", err)
		}

		again := session.New(session.Options{
			Store:     kept,
			OnMessage: func(context.Context, *session.Session, session.Incoming) error { return nil },
		})
		got, err := again.Receive(context.Background(), up)
		if err != nil || got.Accepted != 1 || len(got.Failed) != 0 {
			t.Errorf("the next manager: %+v, %v", got, err)
		}
		again.Shutdown(context.Background())
	})
}

// L4: a link whose alarm rings while it closes leaves no alarm behind: the bubble would
// not end.
func TestL4ClosingLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{Heartbeat: time.Millisecond})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				l := link(t, m, session.Attach{ID: "id", Reader: fmt.Sprint(i % 7), Wake: func() {}})
				time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
				l.Close()
				l.Close()
			})
		}
		wg.Wait()
		time.Sleep(3 * time.Minute)
		m.Shutdown(context.Background())
	})
}

func BenchmarkManager(b *testing.B) {
	ctx := b.Context()
	msg := store.Text("0123456789")

	b.Run("send", func(b *testing.B) {
		m := session.New(session.Options{Overflow: store.OverflowDropOldest})
		link(b, m, session.Attach{ID: "id", Reader: "r", Wake: func() {}})
		b.ReportAllocs()
		for b.Loop() {
			m.Send(ctx, "id", msg)
		}
	})

	b.Run("broadcast to 1000", func(b *testing.B) {
		m := session.New(session.Options{Overflow: store.OverflowDropOldest})
		for i := range 1000 {
			link(b, m, session.Attach{ID: fmt.Sprint("id", i), Reader: "r", Wake: func() {}})
		}
		b.ReportAllocs()
		for b.Loop() {
			m.Broadcast(ctx, msg)
		}
	})

	b.Run("attach and close", func(b *testing.B) {
		m := session.New(session.Options{LinkRate: 1e9, LinkBurst: 1e9})
		b.ReportAllocs()
		for b.Loop() {
			link(b, m, session.Attach{ID: "id", Reader: "r", Wake: func() {}}).Close()
		}
	})

	b.Run("receive", func(b *testing.B) {
		m := session.New(session.Options{
			Rate:      -1,
			OnMessage: func(context.Context, *session.Session, session.Incoming) error { return nil },
		})
		l := link(b, m, session.Attach{ID: "id", Reader: "r", Wake: func() {}})
		up := session.Upstream{
			ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1,
			Messages: []session.Numbered{{Message: msg}},
		}
		b.ReportAllocs()
		for b.Loop() {
			up.Messages[0].Number++
			if _, err := m.Receive(ctx, up); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// L1: a link that is being made while Shutdown begins is refused or drained. Shutdown
// never waits for a link that was not told to end.
func TestL1ShutdownDuringAttach(t *testing.T) {
	for range 2000 {
		m := session.New(session.Options{})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				a := session.Attach{ID: "id", Reader: fmt.Sprint(i), Transport: "test"}
				l, err := m.Attach(context.Background(), a)
				if err != nil {
					if !errors.Is(err, session.ErrClosed) {
						t.Error(err)
					}
					return
				}
				defer l.Close()
				var b session.Batch
				for b.End == "" {
					if err := l.Next(t.Context(), &b); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := m.Shutdown(ctx)
		cancel()
		if err != nil {
			t.Fatalf("Shutdown: %v", err)
		}
		wg.Wait()
	}
}

// D2: Send and SendTo return the position of the message, from which a client could
// continue.
func TestD2SendReturnsThePosition(t *testing.T) {
	m := session.New(session.Options{MaxMessages: 2})
	defer m.Shutdown(context.Background())
	l, err := m.Attach(t.Context(), session.Attach{ID: "ann", Reader: "tab"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := m.Open(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	first, err := m.Send(t.Context(), "ann", store.Text("for all"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.SendTo(t.Context(), "tab", store.Text("for one"))
	if err != nil {
		t.Fatal(err)
	}

	var b session.Batch
	if err := l.Take(t.Context(), &b); err != nil || len(b.Entries) != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	for i, at := range []store.Position{first, second} {
		if want := (store.Position{Epoch: b.Epoch, Seq: b.Entries[i].Seq}); at != want {
			t.Errorf("message %d: Send said %v, and it came at %v", i, at, want)
		}
	}
	at, err := m.Send(t.Context(), "ann", store.Text("no room"))
	if !errors.Is(err, store.ErrFull) || at != (store.Position{}) {
		t.Errorf("without room: %v, %v", at, err)
	}
}
