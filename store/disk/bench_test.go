package disk_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
	"github.com/mirage-go/mirage/store/memory"
)

var benched = []struct {
	name string
	open func(testing.TB) store.Store
}{
	{"memory", func(testing.TB) store.Store { return memory.New(memory.Options{}) }},
	{"disk", func(t testing.TB) store.Store { return open(t, t.TempDir(), disk.Options{}) }},
	{"disk, compacting all the time", func(t testing.TB) store.Store {
		return open(t, t.TempDir(), disk.Small(disk.Options{}))
	}},
	{"disk, each step synced", func(t testing.TB) store.Store { return open(t, t.TempDir(), disk.Options{Sync: -1}) }},
}

// A line is a session with a reader, through which messages go.
type line struct {
	log  store.Log
	link store.LinkRef
	at   uint64
	busy atomic.Bool
}

func lines(t testing.TB, s store.Store, n int) []*line {
	all := make([]*line, n)
	for i := range all {
		l, _, err := s.Open(t.Context(), fmt.Sprint("session-", i), store.Asked{}, true, bounds)
		if err != nil {
			t.Fatal(err)
		}
		a, err := l.Attach(t.Context(), store.Claim{Reader: "reader"})
		if err != nil {
			t.Fatal(err)
		}
		all[i] = &line{log: l, link: a.Link}
	}
	return all
}

var bounds = store.Bounds{
	MaxMessages: 100, MaxBytes: 1 << 20, Retention: time.Minute, MaxLinks: 10, MaxReaders: 10, MaxWriters: 10,
}

// pass passes a message through the line: it is appended, read, and
// acknowledged.
func (l *line) pass(ctx context.Context, size int, dst []store.Entry) ([]store.Entry, error) {
	m := &store.Message{Data: make([]byte, size)}
	p, err := l.log.Append(ctx, m, "")
	if err != nil {
		return dst, err
	}
	dst, _, err = l.log.Read(ctx, l.link, l.at, 1<<16, dst[:0])
	if err != nil {
		return dst, err
	}
	l.at = p.Seq
	return dst, l.log.Ack(ctx, l.link, p)
}

// BenchmarkS6 passes messages through 1 000 sessions, by 64 goroutines.
func BenchmarkS6(b *testing.B) {
	for _, of := range benched {
		b.Run(of.name, func(b *testing.B) {
			all := lines(b, of.open(b), 1000)
			var next atomic.Int64
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var dst []store.Entry
				var err error
				for pb.Next() {
					l := all[next.Add(1)%int64(len(all))]
					for !l.busy.CompareAndSwap(false, true) {
						l = all[next.Add(1)%int64(len(all))]
					}
					dst, err = l.pass(b.Context(), 100, dst)
					l.busy.Store(false)
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkS6Paced passes 25 000 messages a second through 1 000 sessions, and reports
// how long they took.
func BenchmarkS6Paced(b *testing.B) {
	const rate, workers = 25_000, 16
	for _, of := range benched {
		b.Run(of.name, func(b *testing.B) { // a session always has the same worker
			all := lines(b, of.open(b), 1000/workers*workers)
			took := make([][]time.Duration, workers)
			done := make(chan error, workers)
			began := time.Now()
			for w := range workers {
				go func() {
					var dst []store.Entry
					var err error
					for i := w; i < b.N && err == nil; i += workers {
						due := began.Add(time.Duration(i) * time.Second / rate)
						time.Sleep(time.Until(due))
						start := time.Now()
						dst, err = all[i%len(all)].pass(b.Context(), 100, dst)
						took[w] = append(took[w], time.Since(start))
					}
					done <- err
				}()
			}
			for range workers {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
			times := slices.Sorted(slices.Values(slices.Concat(took...)))
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
			b.ReportMetric(float64(times[len(times)-1].Microseconds()), "longest-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkS4Open opens a directory with 100 000 sessions, each with a reader and a
// message.
func BenchmarkS4Open(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, disk.Options{Budget: -1})
	for _, l := range lines(b, s, 100_000) {
		if _, err := l.log.Append(b.Context(), &store.Message{Data: make([]byte, 100)}, ""); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := disk.Open(dir, disk.Options{Budget: -1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
