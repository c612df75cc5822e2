package journal_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
)

func BenchmarkAppend64(b *testing.B) {
	for _, mode := range []struct {
		name string
		sync time.Duration
	}{{"written", 0}, {"fsynced", -1}} {
		b.Run(mode.name, func(b *testing.B) {
			j, _, _ := open(b, b.TempDir(), journal.Options{Sync: mode.sync})
			record := make([]byte, 120)
			var all sync.WaitGroup
			b.ResetTimer()
			for i := range 64 {
				all.Go(func() {
					for range b.N/64 + min(1, max(0, b.N%64-i)) {
						m, err := j.Append(record)
						if err == nil {
							err = j.Commit(m)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// One caller appends 20 000 records a second.
func BenchmarkAppendPaced(b *testing.B) {
	j, _, _ := open(b, b.TempDir(), journal.Options{})
	record := make([]byte, 120)
	took := make([]time.Duration, 0, b.N)
	start := time.Now()
	for i := range b.N {
		for time.Since(start) < time.Duration(i)*50*time.Microsecond {
		}
		began := time.Now()
		if _, err := j.Append(record); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(took[len(took)*999/1000].Nanoseconds()), "p99.9-ns")
	b.ReportMetric(float64(took[len(took)-1].Nanoseconds()), "max-ns")
}
