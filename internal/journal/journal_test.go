package journal_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(asProcess); dir != "" {
		os.Exit(runProcess(dir))
	}
	goleak.VerifyTestMain(m)
}

// open opens a journal and returns its records.
func open(t testing.TB, dir string, o journal.Options) (*journal.Journal, *journal.Recovery, []string) {
	t.Helper()
	var records []string
	j, r, err := journal.Open(dir, o, func(record []byte) error {
		records = append(records, string(record))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Abandon)
	return j, r, records
}

func add(t testing.TB, j *journal.Journal, records ...string) {
	t.Helper()
	for _, record := range records {
		m, err := j.Append([]byte(record))
		if err == nil {
			err = j.Commit(m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A journal goes on after Close and after a kill, over several segments, on the real disk
// and on the one for tests.
func TestReopen(t *testing.T) {
	for _, end := range []string{"close", "kill"} {
		for _, fs := range []journal.FS{nil, faultfs.New(1).Process()} {
			t.Run(fmt.Sprintf("%s, %T", end, fs), func(t *testing.T) {
				dir := t.TempDir()
				var want []string
				for run := range 4 {
					j, r, got := open(t, dir, journal.Options{Segment: 1, FS: fs, Logger: quiet})
					if !slices.Equal(got, want) || !r.Continues || r.Found != (run > 0) || r.Cut != nil ||
						r.Clean != (run > 0 && end == "close") || j.Behind() || r.Records != int64(len(want)) {
						t.Fatalf("run %d: %+v, %d records, want %d", run, r, len(got), len(want))
					}
					for n := range 1000 {
						want = append(want, fmt.Sprintf("run %d, record %d %0*d", run, n, n%200, n))
						add(t, j, want[len(want)-1])
					}
					if j.Current() < 2 || j.Size() < int64(run)*100_000 {
						t.Errorf("segment %d, %d bytes", j.Current(), j.Size())
					}
					if end == "kill" {
						j.Abandon()
						continue
					}
					if err := j.Close(); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// Records of concurrent callers are all there, in the order of their marks, and those of
// one caller in its own order.
func TestConcurrent(t *testing.T) {
	for name, interval := range map[string]time.Duration{"written": 0, "fsynced": -1} {
		t.Run(name, func(t *testing.T) { testConcurrent(t, interval) })
	}
}

func testConcurrent(t *testing.T, interval time.Duration) {
	const callers, each = 32, 200
	dir := t.TempDir()
	o := journal.Options{Segment: 1, Sync: interval, Logger: quiet}
	j, _, _ := open(t, dir, o)
	var all sync.WaitGroup
	var mu sync.Mutex
	byMark := map[journal.Mark]string{}
	for caller := range callers {
		all.Go(func() {
			for n := range each {
				record := fmt.Sprintf("%d %d%s", caller, n, strings.Repeat(" ", n))
				m, err := j.Append([]byte(record))
				if err == nil {
					err = j.Commit(m)
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				byMark[m] = record
				mu.Unlock()
			}
		})
	}
	all.Wait()
	j.Abandon()

	_, _, got := open(t, dir, o)
	if len(byMark) != callers*each || len(got) != callers*each {
		t.Fatalf("%d marks, %d records", len(byMark), len(got))
	}
	var marks []journal.Mark
	for m := range byMark {
		marks = append(marks, m)
	}
	slices.Sort(marks)
	next := map[string]int{}
	for i, record := range got {
		if byMark[marks[i]] != record {
			t.Fatalf("record %d is %q, and by its mark %q", i, record, byMark[marks[i]])
		}
		caller, rest, _ := strings.Cut(strings.TrimSpace(record), " ")
		if fmt.Sprint(next[caller]) != rest {
			t.Fatalf("%q, want number %d", record, next[caller])
		}
		next[caller]++
	}
}

// A record that is larger than a segment gets a larger one. An empty one is a record,
// too.
func TestSizes(t *testing.T) {
	dir := t.TempDir()
	o := journal.Options{Segment: 1, Logger: quiet}
	j, _, _ := open(t, dir, o)
	want := []string{"a", strings.Repeat("large", 100_000), "", "b", strings.Repeat("larger", 100_000), "c"}
	add(t, j, want...)
	if _, err := j.Append(make([]byte, 1<<30+1)); !errors.Is(err, journal.ErrTooLarge) {
		t.Error(err)
	}
	if j.Behind() {
		t.Error("behind")
	}
	j.Abandon()
	if _, r, got := open(t, dir, o); !slices.Equal(got, want) || !r.Continues {
		t.Errorf("%d records, %+v", len(got), r)
	}
}

// At most what was appended in the time of Options.Sync is lost with the power. With a
// negative one, nothing that was committed is.
func TestSync(t *testing.T) {
	for _, sync := range []time.Duration{0, 5 * time.Second, 100 * time.Millisecond, -1} {
		t.Run(sync.String(), func(t *testing.T) {
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) {
					disk := faultfs.New(seed)
					o := journal.Options{FS: disk.Process(), Segment: 1, Sync: sync, Logger: quiet}
					j, _, _ := open(t, onDisk, o)
					add(t, j, "record")
					switch {
					case sync > 0:
						time.Sleep(sync)
					case sync == 0:
						time.Sleep(time.Second)
					}
					synctest.Wait()
					disk.PowerLoss()
					j.Abandon()
					o.FS = disk.Process()
					if _, r, got := open(t, onDisk, o); len(got) != 1 || r.Continues != (sync < 0) {
						t.Errorf("seed %d: %q, %+v", seed, got, r)
					}
				})
			}
		})
	}
}

// Commit of a journal that is being closed succeeds, because Close fsyncs.
func TestCommitAndClose(t *testing.T) {
	disk := faultfs.New(1)
	j, _, _ := open(t, onDisk, journal.Options{FS: disk.Process(), Segment: 1, Sync: -1, Logger: quiet})
	m, err := j.Append([]byte("record"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(m); err != nil {
		t.Error(err)
	}
	if _, err := j.Append(nil); !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
	if err := j.Commit(m + 10); !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
	if err := j.DropBefore(1); !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
	if err := j.Close(); !errors.Is(err, journal.ErrClosed) {
		t.Error(err)
	}
}

// The time at which a journal was last open is known to the second, even if nothing is
// appended. That needs no room.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(1)
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
		j, _, _ := open(t, onDisk, o)
		add(t, j, "record")
		size := j.Size()
		time.Sleep(24 * time.Hour)
		ended := time.Now()
		j.Abandon()
		if j.Size() != size || j.Current() != 1 {
			t.Errorf("an idle journal grew from %d to %d bytes", size, j.Size())
		}

		time.Sleep(time.Hour)
		j, r, _ := open(t, onDisk, o)
		if off := ended.Sub(r.Stopped); off < 0 || off > time.Second {
			t.Errorf("killed at %v, but: %v", ended, r.Stopped)
		}
		time.Sleep(300 * time.Millisecond)
		ended = time.Now()
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if _, r, _ = open(t, onDisk, o); !r.Stopped.Equal(ended) || !r.Clean {
			t.Errorf("closed at %v, but: %v", ended, r.Stopped)
		}
	})
}

// Where the operating system does not say whether it has been restarted, only a
// journal that was closed continues.
func TestUnknownBoot(t *testing.T) {
	disk := faultfs.New(1)
	for run, closed := range []bool{true, false, false} {
		j, r, _ := open(t, onDisk, journal.Options{FS: bootless{disk.Process()}, Segment: 1, Logger: quiet})
		if r.Continues != (run < 2) {
			t.Errorf("run %d: %+v", run, r)
		}
		if j.Behind() {
			if err := j.Recovered(j.Oldest()); err != nil {
				t.Error(err)
			}
		}
		if closed {
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		}
		j.Abandon()
	}
}

type bootless struct{ journal.FS }

func (bootless) Boot() string { return "" }

// A journal that does not continue says so until it is Recovered, however often it is
// opened.
func TestBehindStays(t *testing.T) {
	disk := faultfs.New(1)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	j, _, _ := open(t, onDisk, o)
	j.Abandon()
	disk.PowerLoss()
	o.FS = disk.Process()
	for range 2 {
		j, r, _ := open(t, onDisk, o)
		if r.Continues || !j.Behind() {
			t.Errorf("%+v", r)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}

	j, _, _ = open(t, onDisk, o)
	if err := j.Recovered(j.Oldest()); err != nil || j.Behind() {
		t.Error(err)
	}
	j.Abandon()
	if _, r, _ := open(t, onDisk, o); !r.Continues {
		t.Errorf("%+v", r)
	}
}

// A process that is killed in any of its calls loses nothing that was appended, and
// continues.
func TestKillInEachCall(t *testing.T) {
	for n := 1; ; n++ {
		disk := faultfs.New(uint64(n))
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet, Wait: -1}
		j, _, _ := open(t, onDisk, o)
		add(t, j, "first")
		j.Abandon()

		fs := disk.Process()
		o.FS = fs
		disk.KillIn(n)
		answered := useAll(o)
		survived := !fs.Killed()
		o.FS = disk.Process()
		_, r, got := open(t, onDisk, o)
		if !r.Continues || len(got) < answered || len(got) > answered+1 {
			t.Errorf("killed in call %d: %d records answered, %d there: %+v", n, answered, len(got), r)
		}
		if survived {
			if n < 30 {
				t.Errorf("only %d calls", n)
			}
			return
		}
	}
}

// useAll opens a journal, appends to it, drops segments and closes it. It returns how
// many records there must be.
func useAll(o journal.Options) int {
	answered := 1
	j, _, err := journal.Open(onDisk, o, func([]byte) error { return nil })
	if err != nil {
		return answered
	}
	defer j.Abandon()
	for n := range 130 {
		if _, err := j.Append([]byte(kibibyte(n))); err != nil {
			return answered
		}
		answered++
	}
	_ = j.Close()
	return answered
}

func TestAllocAppend(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	j, _, _ := open(t, t.TempDir(), journal.Options{Logger: quiet})
	record := make([]byte, 120)
	allocated := testing.AllocsPerRun(1000, func() {
		if _, err := j.Append(record); err != nil {
			t.Fatal(err)
		}
	})
	if allocated > 0 {
		t.Errorf("%v allocations", allocated)
	}
}
