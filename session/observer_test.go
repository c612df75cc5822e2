package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// recorded is an Observer that keeps the events as lines.
type recorded struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorded) Observe(e session.Event) {
	line := e.Kind.String()
	add := func(name string, v any, given bool) {
		if given {
			line += fmt.Sprintf(" %s=%v", name, v)
		}
	}
	add("from", e.Previous, e.Previous != "")
	add("reader", e.Reader, e.Reader != "")
	add("topic", e.Topic, e.Topic != "")
	add("hook", e.Hook, e.Hook != "")
	add("range", fmt.Sprintf("%d-%d", e.From, e.To), e.From != 0)
	add("to", e.To, e.From == 0 && e.To != 0)
	add("messages", e.Messages, e.Messages != 0)
	add("again", e.Again, e.Again != 0)
	add("bytes", e.Bytes, e.Bytes != 0)
	add("took", e.Duration, e.Duration != 0)
	add("reason", e.Reason, e.Reason != "")
	add("err", e.Err, e.Err != nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

// take returns the lines since the last call.
func (r *recorded) take() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// O1: an Observer is told of sessions, links, messages in both directions, losses and
// refusals, each once and with its reason.
func TestO1Events(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorded
		want := func(lines ...string) {
			t.Helper()
			if diff := cmp.Diff(lines, seen.take()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		}
		m := session.New(session.Options{
			Observer: &seen, MaxMessages: 4, Overflow: store.OverflowDropOldest, Logger: slog.New(slog.DiscardHandler),
			OnMessage: func(_ context.Context, _ *session.Session, in session.Incoming) error {
				time.Sleep(time.Second)
				if string(in.Data) == "bad" {
					return errors.New("no such room")
				}
				return nil
			},
		})
		defer m.Shutdown(context.Background())
		send := func(text string) store.Position {
			at, _ := m.Send(t.Context(), "id", store.Text(text))
			return at
		}
		receive := func(l *session.Link, n uint64, text string) {
			_, _ = m.Receive(t.Context(), session.Upstream{
				ID: "id", Link: l.Hello.Link, Writer: "w", Base: 1,
				Messages: []session.Numbered{{Number: n, Message: store.Text(text)}},
			})
		}

		send("nobody")
		want("appended bytes=6 reason=not-found err=session: not found")

		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		want("session-opened", "link-began reader=r reason=new")

		send("one")
		at := send("two")
		var b session.Batch
		if err := l.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if err := l.Ack(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		want("appended to=1 bytes=3", "appended to=2 bytes=3", "sent reader=r range=1-2 messages=2 bytes=6",
			"acked reader=r to=2 messages=2 took=3s")

		receive(l, 1, "good")
		receive(l, 1, "good")
		receive(l, 2, "bad")
		receive(l, 9, "early")
		want("handled reader=r to=1 messages=1 bytes=4 took=1s",
			"handled reader=r to=1 messages=1 bytes=4 reason=repeated",
			"handled reader=r to=2 messages=1 bytes=3 took=1s reason=handler-failed err=no such room",
			"refused reader=r reason=order")

		// The client leaves, misses more than the log has room for, and comes back.
		l.Wrote(100)
		l.Close()
		want("link-ended reader=r bytes=100 took=5s reason=left")
		for range 6 {
			send("away")
		}
		seen.take()
		back := link(t, m, session.Attach{ID: "id", Reader: "r", Position: at.String()})
		if err := back.Take(t.Context(), &b); err != nil || b.Gap.IsZero() {
			t.Fatalf("%v, gap %+v", err, b.Gap)
		}
		want("link-began reader=r range=3-4 reason=trimmed", "lost reader=r range=3-4 reason=overflow",
			"sent reader=r range=5-8 messages=4 bytes=16")

		back.Close()
		want("link-ended reader=r reason=left")
		if err := m.Rotate(t.Context(), "id", "new", store.Asked{}); err != nil {
			t.Fatal(err)
		}
		if err := m.Revoke(t.Context(), "new"); err != nil {
			t.Fatal(err)
		}
		want("session-moved from=id reason=revoked", "session-ended messages=4 reason=revoked")
	})
}

// O1: an Observer costs no allocation, neither if there is none nor if there is one.
func TestO1Alloc(t *testing.T) {
	for name, o := range map[string]session.Observer{"none": nil, "one": session.Observers(&counted{})} {
		t.Run(name, func(t *testing.T) {
			m := session.New(session.Options{Observer: o})
			defer m.Shutdown(context.Background())
			l := link(t, m, session.Attach{ID: "id", Reader: "r"})
			defer l.Close()
			s, err := m.Open(t.Context(), "id")
			if err != nil {
				t.Fatal(err)
			}
			msg := store.Text("hello")
			var b session.Batch
			got := testing.AllocsPerRun(1000, func() {
				at, err := s.Send(context.Background(), msg)
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Take(context.Background(), &b); err != nil {
					t.Fatal(err)
				}
				if err := l.Ack(context.Background(), at); err != nil {
					t.Fatal(err)
				}
			})
			if got > 1 { // the message itself, which is shared
				t.Errorf("%v allocations for a message that is sent, taken and acknowledged", got)
			}
		})
	}
}

type counted struct{ n int64 }

func (c *counted) Observe(session.Event) { c.n++ }

func BenchmarkO1Observer(b *testing.B) {
	for _, bench := range []struct {
		name string
		o    session.Observer
	}{{"none", nil}, {"one", &counted{}}} {
		b.Run(bench.name, func(b *testing.B) {
			m := session.New(session.Options{Observer: bench.o})
			defer m.Shutdown(context.Background())
			l := link(b, m, session.Attach{ID: "id", Reader: "r"})
			defer l.Close()
			s, _ := m.Open(b.Context(), "id")
			msg := store.Text("hello")
			var batch session.Batch
			b.ReportAllocs()
			for b.Loop() {
				at, _ := s.Send(b.Context(), msg)
				_ = l.Take(b.Context(), &batch)
				_ = l.Ack(b.Context(), at)
			}
		})
	}
}

// O1: an Observer that panics harms nobody, and the panic is logged.
func TestO1ObserverPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m := session.New(session.Options{
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			Observer: panics{},
		})
		defer m.Shutdown(context.Background())
		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		defer l.Close()
		if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
			t.Error(err)
		}
		if !strings.Contains(log.String(), "callback=Observer panic=boom event=link-began") {
			t.Error(log.String())
		}
	})
}

type panics struct{}

func (panics) Observe(session.Event) { panic("boom") }

// O1: a Tracer gets the context of a call, and the call gets that of the Tracer. Among
// several Observers, each Tracer does.
func TestO1Tracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &tracer{name: "a"}, &tracer{name: "b"}
		var inside string
		m := session.New(session.Options{
			Observer: session.Observers(nil, a, &counted{}, b), Logger: slog.New(slog.DiscardHandler),
			OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
				inside, _ = ctx.Value(traceKey{}).(string)
				_, err := s.Send(ctx, store.Text("reply"))
				return errors.Join(err, errors.New("failed"))
			},
		})
		defer m.Shutdown(context.Background())
		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		defer l.Close()
		up := session.Upstream{ID: "id", Messages: []session.Numbered{{Message: store.Text("x")}}}
		if _, err := m.Receive(t.Context(), up); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Topic("news").Publish(t.Context(), store.Text("x")); err != nil {
			t.Fatal(err)
		}

		if inside != "/a handled/b handled" {
			t.Errorf("the context has %q", inside)
		}
		want := []string{
			"begin handled", "begin appended in /a handled/b handled", "end <nil>", "end failed",
			"begin published", "end <nil>",
		}
		if diff := cmp.Diff(want, a.calls); diff != "" {
			t.Errorf("a (-want +got):\n%s", diff)
		}
		if len(b.calls) != len(want) {
			t.Errorf("b: %q", b.calls)
		}
	})
}

// O1: a Tracer that panics, or that returns nothing, harms no call.
func TestO1BadTracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, start := range map[string]func(context.Context) (context.Context, func(error)){
			"nothing": func(context.Context) (context.Context, func(error)) { return nil, nil },
			"Start":   func(context.Context) (context.Context, func(error)) { panic("start") },
			"at the end": func(ctx context.Context) (context.Context, func(error)) {
				return ctx, func(error) { panic("end") }
			},
		} {
			handled := false
			m := session.New(session.Options{
				Observer: badTracer{start: start}, Logger: slog.New(slog.DiscardHandler),
				OnMessage: func(ctx context.Context, s *session.Session, _ session.Incoming) error {
					handled = true
					_, err := s.Send(ctx, store.Text("reply"))
					return err
				},
			})
			l := link(t, m, session.Attach{ID: "id", Reader: "r"})
			up := session.Upstream{ID: "id", Messages: []session.Numbered{{Message: store.Text("x")}}}
			if got, err := m.Receive(t.Context(), up); err != nil || len(got.Failed) > 0 || !handled {
				t.Errorf("%s: %+v, %v, handled %v", name, got, err, handled)
			}
			if _, err := m.Topic("news").Publish(t.Context(), store.Text("x")); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			l.Close()
			m.Shutdown(context.Background())
		}
	})
}

type badTracer struct {
	start func(context.Context) (context.Context, func(error))
}

func (badTracer) Observe(session.Event) {}

func (b badTracer) Start(ctx context.Context, _ session.Event) (context.Context, func(error)) {
	return b.start(ctx)
}

type traceKey struct{}

type tracer struct {
	counted
	name  string
	calls []string
}

func (r *tracer) Start(ctx context.Context, e session.Event) (context.Context, func(error)) {
	before, _ := ctx.Value(traceKey{}).(string)
	line := "begin " + e.Kind.String()
	if outer, ok := strings.CutSuffix(before, "/a "+e.Kind.String()); !ok || outer != "" {
		if before != "" && r.name == "a" {
			line += " in " + before
		}
	}
	r.calls = append(r.calls, line)
	return context.WithValue(ctx, traceKey{}, before+"/"+r.name+" "+e.Kind.String()), func(err error) {
		r.calls = append(r.calls, fmt.Sprint("end ", err))
	}
}

// O4: lines of one kind are limited, the next one tells how many were left out, and none
// names a session by its id unless LogIDs is set.
func TestO4LinesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		for _, full := range []bool{false, true} {
			log.Reset()
			m := session.New(session.Options{
				Logger: slog.New(slog.NewTextHandler(&log, nil)), LogIDs: full, MaxMessages: 1,
			})
			l := link(t, m, session.Attach{ID: "secret-id", Reader: "r"})
			for i := range 31 {
				if i == 30 {
					time.Sleep(2 * time.Second)
				}
				_, _ = m.Send(t.Context(), "secret-id", store.Text("x"))
			}
			l.Close()
			m.Shutdown(context.Background())

			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != 11 || !strings.Contains(lines[10], "suppressed=19") {
				t.Errorf("%d lines, the last one %q", len(lines), lines[len(lines)-1])
			}
			if strings.Contains(log.String(), "secret-id") != full {
				t.Errorf("LogIDs %v: %s", full, lines[0])
			}
			if !full && !strings.Contains(lines[0], "session="+session.LogID("secret-id")) {
				t.Errorf("no LogID in %s", lines[0])
			}
		}
	})
}

// O1: Stats counts what there is.
func TestO1Stats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{})
		for i := range 3 {
			defer link(t, m, session.Attach{ID: fmt.Sprint("id", i/2), Reader: fmt.Sprint("r", i)}).Close()
		}
		want := session.Stats{Sessions: 2, Links: map[string]int{"test": 3}}
		if diff := cmp.Diff(want, m.Stats()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			m.Shutdown(t.Context())
		}()
		synctest.Wait()
		if got := m.Stats(); !got.Draining || got.Links["test"] != 3 {
			t.Errorf("while it drains: %+v", got)
		}
	})
}
