package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

// kibibyte is a record of 1 KiB with its number.
func kibibyte(n int) string { return fmt.Sprintf("%1024d", n) }

// logged returns a logger, and a function that returns how many lines of a level it got.
func logged() (*slog.Logger, func(level slog.Level) int) {
	counts := &counter{Handler: slog.DiscardHandler, lines: map[slog.Level]int{}}
	return slog.New(counts), func(level slog.Level) int {
		counts.mu.Lock()
		defer counts.mu.Unlock()
		return counts.lines[level]
	}
}

// A counter counts lines by their levels.
type counter struct {
	slog.Handler
	mu    sync.Mutex
	lines map[slog.Level]int
}

func (c *counter) Enabled(context.Context, slog.Level) bool { return true }

func (c *counter) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[r.Level]++
	return nil
}

// A full disk stops what grows while there still is a reserve for the rest. If even that
// is used up, the journal is behind, on the disk as well, until everything is rewritten.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(1)
		logger, lines := logged()
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
		j, _, _ := open(t, onDisk, o)
		synctest.Wait()
		disk.SetQuota(disk.Used())

		n := 0
		for ; !j.Full(); n++ {
			add(t, j, kibibyte(n))
			synctest.Wait()
			if n > 1000 {
				t.Fatal("it is never full")
			}
		}
		if j.Current() != 2 || lines(slog.LevelError) != 1 || j.Behind() {
			t.Fatalf("full in segment %d after %d records, %d errors logged", j.Current(), n, lines(slog.LevelError))
		}

		// The reserve: a segment and more.
		var err error
		reserve := 0
		for ; err == nil; reserve++ {
			_, err = j.Append([]byte(kibibyte(n + reserve)))
			synctest.Wait()
		}
		if !errors.Is(err, journal.ErrBehind) || reserve < 60 || !j.Behind() || lines(slog.LevelError) != 2 {
			t.Fatalf("%v after %d records in the reserve, %d errors logged", err, reserve, lines(slog.LevelError))
		}
		for range 3 {
			if _, err := j.Append([]byte("x")); !errors.Is(err, journal.ErrBehind) {
				t.Fatal(err)
			}
		}
		if err := j.Recovered(j.Current()); !errors.Is(err, journal.ErrBehind) {
			t.Fatalf("recovered without room: %v", err)
		}
		copied := journal.Options{FS: disk.Clone(1).Process(), Segment: 1, Logger: quiet}
		if _, r, got := open(t, onDisk, copied); r.Continues || len(got) != n+reserve-1 {
			t.Fatalf("%d records, want %d: %+v", len(got), n+reserve-1, r)
		}

		// There is room again.
		disk.SetQuota(0)
		time.Sleep(time.Second)
		synctest.Wait()
		start := j.Current()
		if j.Full() || !j.Behind() || start != 4 || lines(slog.LevelInfo) != 1 {
			t.Fatalf("full %v, behind %v, segment %d", j.Full(), j.Behind(), start)
		}
		add(t, j, "anew")
		if err := j.Recovered(start); err != nil || j.Behind() || lines(slog.LevelError) != 2 || j.Oldest() != start {
			t.Fatalf("%v, oldest %d", err, j.Oldest())
		}
		j.Abandon()
		if _, r, got := open(t, onDisk, o); !r.Continues || fmt.Sprint(got) != "[anew]" {
			t.Fatalf("%q, %+v", got, r)
		}
	})
}

// The reserve is there even if records are appended faster than segments are prepared.
func TestReserveInBurst(t *testing.T) {
	for range 20 {
		disk := faultfs.New(1)
		disk.SetQuota(10 << 16)
		j, _, _ := open(t, onDisk, journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet})
		n := 0
		for ; !j.Full(); n++ {
			add(t, j, kibibyte(n))
		}
		reserve := 0
		for ; ; reserve++ {
			if _, err := j.Append([]byte(kibibyte(n + reserve))); err != nil {
				break
			}
		}
		if reserve < 50 || n+reserve < 500 {
			t.Errorf("full after %d records, %d in the reserve", n, reserve)
		}
		j.Abandon()
	}
}

// Dropping segments makes room at once.
func TestDropMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(1)
		j, _, _ := open(t, onDisk, journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet})
		synctest.Wait()
		disk.SetQuota(disk.Used() + 1<<16)
		for n := 0; !j.Full(); n++ {
			add(t, j, kibibyte(n))
			synctest.Wait()
		}

		start := j.Current()
		if err := j.DropBefore(start); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if j.Full() || j.Oldest() != start {
			t.Errorf("full %v, oldest %d, current %d", j.Full(), j.Oldest(), start)
		}
	})
}

// A prepared segment that has content, as a power loss may leave one, is cleared before
// it is used.
func TestLeftoverIsCleared(t *testing.T) {
	disk := writeTorn(t, false)
	disk.PowerLoss()
	leftover := disk.Read(fileName(2))
	for i := 5000; i < len(leftover); i++ {
		leftover[i] = 'x'
	}
	disk.Write(fileName(2), leftover)

	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	j, _, before := open(t, onDisk, o)
	add(t, j, "record")
	if j.Current() != 2 {
		t.Fatalf("segment %d", j.Current())
	}
	j.Abandon()
	if _, r, got := open(t, onDisk, o); r.Cut != nil || len(got) != len(before)+1 {
		t.Errorf("%d records, %+v", len(got), r)
	}
}

// A start on a full disk uses the segments that the last run has prepared.
func TestOpenOnFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(1)
		for run := range 2 {
			j, r, got := open(t, onDisk, journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet})
			if len(got) != run || !r.Continues {
				t.Fatalf("run %d: %q, %+v", run, got, r)
			}
			add(t, j, "record")
			synctest.Wait()
			disk.SetQuota(disk.Used())
			disk.Kill()
			j.Abandon()
		}

		disk.Delete(onDisk + "/0000000003.journal")
		disk.Delete(onDisk + "/0000000004.journal")
		disk.SetQuota(1)
		_, _, err := journal.Open(onDisk, journal.Options{FS: disk.Process(), Logger: quiet}, nil)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make room") {
			t.Errorf("with nothing prepared: %v", err)
		}
	})
}
