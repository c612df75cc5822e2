package topiclog_test

import (
	"fmt"
	"testing"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

func sized(n int) store.Publication {
	return store.Publication{Message: &store.Message{Data: make([]byte, n)}}
}

func benchLog() *topiclog.Log {
	return topiclog.New(7, 9, store.TopicBounds{MaxMessages: 100, MaxBytes: 256 << 10, MaxGrown: 1 << 20, Age: 1 << 60})
}

// T10: a reader that keeps up, or lags by a few whole messages, costs no allocation.
func TestT10ReadAllocatesNothing(t *testing.T) {
	l, p := benchLog(), sized(200)
	now, dst := int64(0), make([]store.TopicEntry, 0, 8)
	for _, behind := range []int{0, 1, 5} {
		c := store.TopicCursor{At: l.Position()}
		var appends, both float64
		appends = testing.AllocsPerRun(1000, func() {
			for range behind {
				now++
				_ = l.Append(p, now, enough)
			}
		})
		c.At = l.Position()
		both = testing.AllocsPerRun(1000, func() {
			for range behind {
				now++
				_ = l.Append(p, now, enough)
			}
			if got, more := l.Read(&c, 1<<20, dst); len(got) != behind || more {
				t.Fatalf("%d entries, %v", len(got), more)
			}
		})
		if both > appends {
			t.Errorf("%d behind: %v allocations for a Read", behind, both-appends)
		}
	}
}

// One reader keeps up with whatever is appended.
func BenchmarkAppendRead(b *testing.B) {
	for _, tt := range []struct {
		name string
		next func(i int) store.Publication
	}{
		{"plain", func(int) store.Publication { return sized(200) }},
		{"keyed", func(int) store.Publication { return keyed("k", "some data") }},
		{"piece", func(i int) store.Publication { return piece(fmt.Sprint(i/4096), "a token") }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			l := benchLog()
			c, dst := store.TopicCursor{At: l.Position()}, make([]store.TopicEntry, 0, 8)
			next := make([]store.Publication, 1<<14)
			for i := range next {
				next[i] = tt.next(i)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				if i%len(next) == 0 {
					b.StopTimer()
					l, c.At = benchLog(), store.TopicPosition{Topic: 7, Epoch: 9}
					b.StartTimer()
				}
				if err := l.Append(next[i%len(next)], int64(i), enough); err != nil {
					b.Fatal(err)
				}
				if got, _ := l.Read(&c, 1<<20, dst); len(got) != 1 {
					b.Fatal(len(got))
				}
				i++
			}
		})
	}
}

// A hundred readers fall behind, and catch up every so many messages.
func BenchmarkAppend100Lagging(b *testing.B) {
	for _, lag := range []int{10, 90, 1000} {
		for _, growing := range []int{0, 10} {
			b.Run(fmt.Sprintf("lag=%d/growing=%d", lag, growing), func(b *testing.B) {
				l, p := benchLog(), sized(200)
				for i := range growing {
					if err := l.Append(piece(fmt.Sprint(i), "text"), 0, enough); err != nil {
						b.Fatal(err)
					}
				}
				var cursors [100]store.TopicCursor
				for i := range cursors {
					cursors[i].At = l.Position()
				}
				dst, i, read := make([]store.TopicEntry, 0, 128), 0, 0
				b.ReportAllocs()
				for b.Loop() {
					i++
					if err := l.Append(p, int64(i), enough); err != nil {
						b.Fatal(err)
					}
					if i%lag != 0 {
						continue
					}
					for c := range cursors {
						got, _ := l.Read(&cursors[c], 1<<20, dst)
						read += len(got)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(1, read)), "ns/entry")
			})
		}
	}
}

// Appending to large logs takes no longer than to small ones.
func BenchmarkAppendTo(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		for _, keys := range []int{0, 50, 5000} {
			b.Run(fmt.Sprintf("messages=%d/keys=%d", n, keys), func(b *testing.B) {
				bounds := store.TopicBounds{MaxMessages: n, MaxBytes: 1 << 40, MaxGrown: 1 << 20, Age: 1 << 60}
				l := topiclog.New(7, 9, bounds)
				all := []store.Publication{sized(200)}
				for i := range keys {
					all = append(all, keyed(fmt.Sprint(i), "data"))
				}
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					i++
					if err := l.Append(all[i%len(all)], int64(i), enough); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
