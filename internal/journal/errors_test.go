package journal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

// isFrame reports whether a call writes frames into a segment: neither a header nor a
// state.
func isFrame(c faultfs.Call) bool { return c.Op == "writeat" && c.Offset >= 4096 }

// If a write fails, in part or as a whole, the records go into the next segment, and none
// is lost.
func TestWriteError(t *testing.T) {
	for name, fault := range map[string]error{
		"nothing written": syscall.EIO,
		"a part written":  &faultfs.ShortWrite{N: 15, Err: syscall.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			disk := faultfs.New(1)
			o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
			j, _, _ := open(t, onDisk, o)
			add(t, j, "before")
			var failed atomic.Bool
			disk.Fail(func(c faultfs.Call) error {
				if failed.Load() || !isFrame(c) {
					return nil
				}
				failed.Store(true)
				return fault
			})
			add(t, j, "during", "after")

			if !failed.Load() || j.Behind() || j.Current() != 2 {
				t.Errorf("failed %v, behind %v, segment %d", failed.Load(), j.Behind(), j.Current())
			}
			j.Abandon()
			if _, r, got := open(t, onDisk, o); !r.Continues || r.Cut != nil ||
				fmt.Sprint(got) != "[before during after]" {
				t.Errorf("%q, %+v", got, r)
			}
		})
	}
}

// If no write succeeds, the records are refused, and the journal is behind until
// everything is rewritten.
func TestNoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := faultfs.New(1)
		logger, lines := logged()
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
		j, _, _ := open(t, onDisk, o)
		add(t, j, "before")
		disk.Fail(func(c faultfs.Call) error {
			if isFrame(c) {
				return &faultfs.ShortWrite{N: c.Bytes / 2, Err: syscall.EIO}
			}
			return nil
		})
		for range 3 {
			if _, err := j.Append([]byte("lost")); !errors.Is(err, journal.ErrBehind) {
				t.Fatal(err)
			}
		}
		if !j.Behind() || lines(slog.LevelError) != 1 {
			t.Errorf("behind %v, %d errors logged", j.Behind(), lines(slog.LevelError))
		}

		disk.Fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		start := j.Current()
		add(t, j, "after")
		if err := j.Recovered(start); err != nil {
			t.Fatal(err)
		}
		j.Abandon()
		if _, r, got := open(t, onDisk, o); !r.Continues || fmt.Sprint(got) != "[after]" {
			t.Errorf("%q, %+v", got, r)
		}
	})
}

// If not even the header can be written, a file that is too short says that the journal
// is behind.
func TestHeaderNotWritten(t *testing.T) {
	disk := faultfs.New(1)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	j, _, _ := open(t, onDisk, o)
	add(t, j, "before")
	disk.Fail(func(c faultfs.Call) error {
		if c.Op == "writeat" {
			return syscall.EIO
		}
		return nil
	})
	if _, err := j.Append([]byte("lost")); !errors.Is(err, journal.ErrBehind) {
		t.Fatal(err)
	}
	disk.Kill()
	j.Abandon()
	disk.Fail(nil)
	o.FS = disk.Process()
	if _, r, got := open(t, onDisk, o); r.Continues || fmt.Sprint(got) != "[before]" {
		t.Errorf("%q, %+v", got, r)
	}
}

// After an error of fsync, what it was to make durable counts as missing, even if the
// next fsync succeeds. The journal goes on in another segment.
func TestSyncError(t *testing.T) {
	for _, commits := range []bool{false, true} {
		t.Run(fmt.Sprintf("commits %v", commits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testSyncError(t, commits) })
		})
	}
}

func testSyncError(t *testing.T, commits bool) {
	disk := faultfs.New(1)
	logger, lines := logged()
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
	if commits {
		o.Sync = -1
	}
	j, _, _ := open(t, onDisk, o)
	synctest.Wait()
	add(t, j, "durable")
	time.Sleep(1500 * time.Millisecond)
	var failed atomic.Bool
	disk.Fail(func(c faultfs.Call) error {
		if failed.Load() || c.Op != "sync" {
			return nil
		}
		failed.Store(true)
		return syscall.EIO
	})
	m, err := j.Append([]byte("lost"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Commit(m); commits != errors.Is(err, journal.ErrBehind) {
		t.Errorf("Commit: %v", err)
	}
	time.Sleep(1500 * time.Millisecond)
	if !failed.Load() || !j.Behind() || j.Current() != 2 || lines(slog.LevelError) != 1 {
		t.Fatalf("failed %v, behind %v, segment %d, %d errors",
			failed.Load(), j.Behind(), j.Current(), lines(slog.LevelError))
	}
	if err := j.Commit(m); commits != errors.Is(err, journal.ErrBehind) {
		t.Errorf("Commit again: %v", err)
	}

	disk.Fail(func(c faultfs.Call) error {
		if c.Op == "sync" && c.Name == firstFile {
			t.Error("the segment is fsynced again")
		}
		return nil
	})

	// What comes after it is fsynced, and is not cut off with it.
	add(t, j, "after")
	time.Sleep(1500 * time.Millisecond)
	for seed := range uint64(20) {
		copied := disk.Clone(seed)
		copied.PowerLoss()
		_, r, got := open(t, onDisk, journal.Options{FS: copied.Process(), Segment: 1, Logger: quiet})
		if text := fmt.Sprint(got); r.Continues || text != "[durable after]" && text != "[durable lost after]" {
			t.Fatalf("%q, %+v", got, r)
		}
	}

	start := j.Current()
	add(t, j, "anew")
	if err := j.DropBefore(1); !errors.Is(err, journal.ErrBehind) {
		t.Errorf("dropped up to the segment with the error: %v", err)
	}
	if err := j.Recovered(start); err != nil || j.Behind() {
		t.Errorf("%v, behind %v", err, j.Behind())
	}
	j.Abandon()
	disk.PowerLoss()
	o.FS = disk.Process()
	if _, r, got := open(t, onDisk, o); r.Continues != commits || fmt.Sprint(got) != "[after anew]" {
		t.Errorf("%q, %+v", got, r)
	}
}

// A journal whose fsync fails while it is closed is behind the next time.
func TestCloseSyncError(t *testing.T) {
	disk := faultfs.New(1)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	j, _, _ := open(t, onDisk, o)
	add(t, j, "record")
	var failed atomic.Bool
	disk.Fail(func(c faultfs.Call) error {
		if failed.Load() || c.Op != "sync" || c.Name != onDisk+"/0000000001.journal" {
			return nil
		}
		failed.Store(true)
		return syscall.EIO
	})
	if err := j.Close(); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if _, r, _ := open(t, onDisk, o); r.Continues {
		t.Errorf("%+v", r)
	}
}
