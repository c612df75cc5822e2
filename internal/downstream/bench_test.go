package downstream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// sink is an Out that runs scheduled drains at once, and counts.
type sink struct{ writes, bytes int }

func (s *sink) Write(b []byte) error  { s.writes++; s.bytes += len(b); return nil }
func (s *sink) Schedule(drain func()) { drain() }
func (s *sink) Close()                {}

// pumped returns a log whose one link is pumped into a sink.
func pumped(tb testing.TB, o session.Options) (*session.Manager, *session.Link, *sink) {
	m := session.New(o)
	out := new(sink)
	pump := downstream.NewPump()
	link, err := m.Attach(tb.Context(), session.Attach{ID: "id", Transport: "test", Wake: pump.Wake})
	if err != nil {
		tb.Fatal(err)
	}
	pump.Start(tb.Context(), out, link, []byte("hello\n\n"))
	tb.Cleanup(func() { link.Close(); m.Shutdown(context.Background()) })
	return m, link, out
}

// BenchmarkSend measures the path of one message of 200 bytes: Send, wake, take, encode,
// write (to nowhere).
func BenchmarkSend(b *testing.B) {
	m, _, _ := pumped(b, session.Options{Overflow: store.OverflowDropOldest})
	msg := store.Text(strings.Repeat("x", 200))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Send(ctx, "id", msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTakeEncode measures taking and encoding a batch, per message.
func BenchmarkTakeEncode(b *testing.B) {
	for _, size := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			memory := memory.New(memory.Options{})
			m := session.New(session.Options{Store: memory, Overflow: store.OverflowDropOldest})
			defer m.Shutdown(context.Background())
			link, err := m.Attach(b.Context(), session.Attach{ID: "id", Transport: "test"})
			if err != nil {
				b.Fatal(err)
			}
			defer link.Close()

			log, _, _ := memory.Open(b.Context(), "id", store.Asked{}, false, store.Bounds{})
			msg, ctx := store.Text(strings.Repeat("x", 200)), b.Context()
			var batch session.Batch
			buf := make([]byte, 0, 64<<10)

			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for range size {
					log.Append(ctx, &msg, "")
				}
				if err := link.Take(ctx, &batch); err != nil || len(batch.Entries) != size {
					b.Fatal(err, len(batch.Entries))
				}
				buf = downstream.Append(buf[:0], &batch, true)
				n += size
			}

			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
		})
	}
}
