package disk_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
)

var mebibytes = flag.Int64("mib", 192, "how many MiB TestS4Load passes through a store")

// S4: many times its bound passes through a directory on the real disk, as fast as it
// can, in messages of many sizes. The directory stays within its bound, with segments of
// their real size. After a kill, what waited in sessions that nobody used is there.
func TestS4Load(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it writes as fast as the disk can")
	}
	s := newSite(t, disk.Options{}, nil)
	const waiting = 50 // messages, in each session that nobody uses
	var ends []store.Position
	for _, id := range numbers(0, 200) {
		ends = append(ends, s.add(s.log("idle-"+id), slices.Repeat([]string{strings.Repeat("w", 1000)}, waiting)...))
	}

	load := newLoad(t, s.Store, *mebibytes<<20)
	var most, bound, samples int64
	for working := true; working; samples++ {
		select {
		case <-load.done:
			working = false
		case <-time.After(50 * time.Millisecond): // a rate
		}
		size, most64 := s.Size()
		if onDisk := bytesIn(t, s.dir); onDisk > most64 || size > most64 {
			t.Errorf("%d bytes in files, %d in segments, at most %d allowed", onDisk, size, most64)
		} else if onDisk > most {
			most, bound = onDisk, most64
		}
	}
	load.report(samples, most, bound)

	s.Kill()
	s.start()
	for i, id := range numbers(0, 200) {
		l := s.log("idle-" + id)
		begin := ends[i]
		begin.Seq -= waiting
		if a := s.attach(l, "tab", begin); !a.Resumed {
			t.Fatalf("session %s: %+v", id, a)
		}
	}
}

// load passes messages through a store.
type load struct {
	testing.TB
	done   chan struct{}
	began  time.Time
	passed atomic.Int64      // bytes
	took   [][]time.Duration // of each step of a message together, by worker
}

func newLoad(t testing.TB, s store.Store, total int64) *load {
	const workers = 8
	l := &load{TB: t, done: make(chan struct{}), began: time.Now(), took: make([][]time.Duration, workers)}
	all := lines(t, s, 100*workers)
	ended := make(chan error, workers)
	for w := range workers {
		go func() { ended <- l.work(t.Context(), all[w*100:(w+1)*100], total, &l.took[w]) }()
	}
	go func() {
		defer close(l.done)
		for range workers {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	return l
}

func (l *load) work(ctx context.Context, all []*line, total int64, took *[]time.Duration) (err error) {
	var dst []store.Entry
	for i := 0; l.passed.Load() < total; i++ {
		size := 1 << rand.IntN(15) // up to 16 KiB
		began := time.Now()
		if dst, err = all[i%len(all)].pass(ctx, size, dst); err != nil {
			return err
		}
		*took = append(*took, time.Since(began))
		l.passed.Add(int64(size))
	}
	return nil
}

func (l *load) report(samples, most, bound int64) {
	times := slices.Sorted(slices.Values(slices.Concat(l.took...)))
	l.Logf("%d MiB in %d messages in %v; at most %d MiB on disk, of %d allowed (%d samples); "+
		"a message took %v (p50), %v (p99), %v (longest)", l.passed.Load()>>20, len(times),
		time.Since(l.began).Round(time.Millisecond), most>>20, bound>>20, samples,
		times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
}

// bytesIn returns how many bytes the files in a directory have.
func bytesIn(t testing.TB, dir string) (n int64) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if i, err := os.Stat(name); err == nil { // it may have been removed meanwhile
			n += i.Size()
		}
	}
	return n
}
