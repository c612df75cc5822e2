package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

// A backup has everything that had been appended when it began, and does not continue.
// Records are appended and segments dropped meanwhile.
func TestBackup(t *testing.T) {
	o := journal.Options{Segment: 1, Logger: quiet}
	j, _, _ := open(t, t.TempDir(), o)
	var want []string
	for n := range 200 {
		want = append(want, kibibyte(n))
	}
	add(t, j, want...)

	stop := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		for n := len(want); ; n++ {
			select {
			case <-stop:
				return
			default:
				add(t, j, kibibyte(n))
			}
		}
	})
	for range 5 {
		dir := filepath.Join(t.TempDir(), "backup")
		if err := j.Backup(dir); err != nil {
			t.Fatal(err)
		}
		if err := j.Backup(dir); err == nil || !strings.Contains(err.Error(), "empty directory") {
			t.Errorf("the second into one directory: %v", err)
		}

		copied, r, got := open(t, dir, o)
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) ||
			r.Continues || r.Cut != nil || !copied.Behind() {
			t.Errorf("%d records, %+v", len(got), r)
		}
		if got[len(got)-1] != kibibyte(len(got)-1) {
			t.Errorf("the last of %d records is %q", len(got), strings.TrimSpace(got[len(got)-1]))
		}
		copied.Abandon()
	}
	close(stop)
	beside.Wait()
	if j.Behind() {
		t.Error("the backup changed the journal")
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if err := j.Backup(t.TempDir()); err != journal.ErrClosed {
		t.Errorf("a backup of a closed journal: %v", err)
	}
}

// A backup that is put in the place of the original, in the same boot, does not continue.
func TestBackupRestored(t *testing.T) {
	disk := faultfs.New(1)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	j, _, _ := open(t, onDisk, o)
	add(t, j, "record")
	if err := j.Backup("/backup"); err != nil {
		t.Fatal(err)
	}
	j.Abandon()
	j, r, got := open(t, "/backup", o)
	if r.Continues || fmt.Sprint(got) != "[record]" || r.Cut != nil {
		t.Errorf("%q, %+v", got, r)
	}
	if err := j.Recovered(j.Oldest()); err != nil {
		t.Error(err)
	}
}

// Check finds the same as Open, and changes nothing. It may run beside the journal.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := open(t, dir, journal.Options{Segment: 1, Logger: quiet})
	for n := range 200 {
		add(t, j, kibibyte(n))
	}

	check := func() journal.Report {
		t.Helper()
		before := listing(t, dir)
		n := 0
		report, err := journal.Check(dir, nil, func(record []byte) error {
			if string(record) != kibibyte(n) {
				return fmt.Errorf("record %d", n)
			}
			n++
			return nil
		})
		if err != nil || report.Damage != nil || report.Records != int64(n) || report.Bytes != 200*1024 {
			t.Errorf("%d records, %v, %+v", n, err, report)
		}
		if after := listing(t, dir); after != before {
			t.Errorf("files changed from %s to %s", before, after)
		}
		return report
	}
	if r := check(); r.Segments != int(j.Current()) || r.Oldest != 1 || r.Newest != j.Current() ||
		r.Clean || r.Next != 201 {
		t.Errorf("%+v", r)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if r := check(); !r.Clean || r.Durable != r.Next || r.Next != 202 || r.Behind || r.Size < 200*1024 {
		t.Errorf("%+v", r)
	}
	if r, err := journal.Check(t.TempDir(), nil, nil); err != nil || r.Found || r.Segments != 0 {
		t.Errorf("nothing: %v, %+v", err, r)
	}
	if _, err := journal.Check(filepath.Join(dir, "missing"), nil, nil); err == nil {
		t.Error("a missing directory is accepted")
	}
}

// listing returns the names and sizes of segments in use. A prepared segment may be added
// at any time.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range entries[:min(4, len(entries))] {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s %d %v, ", e.Name(), info.Size(), info.Mode())
	}
	return text.String()
}
