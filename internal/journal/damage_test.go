package journal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
)

func fileName(number int) string { return fmt.Sprintf("%s/%010d.journal", onDisk, number) }

// writeSegments returns a disk with a journal of five segments, and its records by
// segment. The first one was dropped while segment dropIn was written. The process was
// killed.
func writeSegments(t *testing.T, dropIn int) (disk *faultfs.Disk, records map[int][]string) {
	disk, records = faultfs.New(1), map[int][]string{}
	synctest.Test(t, func(t *testing.T) {
		j, _, _ := open(t, onDisk, journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet})
		for n := 0; len(records[5]) < 2; n++ {
			add(t, j, kibibyte(n))
			current := int(j.Current())
			records[current] = append(records[current], kibibyte(n))
			if current == dropIn && len(records[current]) == 1 {
				if err := j.DropBefore(2); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(1500 * time.Millisecond)
		disk.Kill()
		j.Abandon()
	})
	return disk, records
}

func joined(records map[int][]string, segments ...int) (all []string) {
	for _, s := range segments {
		all = append(all, records[s]...)
	}
	return all
}

// A segment that is missing or cannot be read stops the start, and Repair leaves it out.
func TestDamagedSegments(t *testing.T) {
	zeros := func(b []byte) []byte { clear(b[:4096]); return b }
	flip := func(b []byte) []byte { b[20] ^= 1; return b }
	foreign := func([]byte) []byte {
		other, _ := writeSegments(t, 3)
		return other.Read(fileName(4))
	}
	for name, tt := range map[string]struct {
		file     int
		change   func([]byte) []byte // nil: the file is deleted
		repaired []int
	}{
		"nothing":                {0, nil, []int{2, 3, 4, 5}},
		"the first is missing":   {2, nil, []int{3, 4, 5}},
		"one is missing":         {3, nil, []int{2, 4, 5}},
		"the last is missing":    {5, nil, []int{2, 3, 4}},
		"zeros for a header":     {3, zeros, []int{2, 4, 5}},
		"zeros for the last":     {5, zeros, []int{2, 3, 4}},
		"a wrong header":         {3, flip, []int{2, 4, 5}},
		"a wrong header at last": {5, flip, []int{2, 3, 4}},
		"another journal's":      {4, foreign, []int{2, 3, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			disk, records := writeSegments(t, 3)
			switch {
			case tt.file > 0 && tt.change == nil:
				disk.Delete(fileName(tt.file))
			case tt.file > 0:
				disk.Write(fileName(tt.file), tt.change(disk.Read(fileName(tt.file))))
			}
			logger, lines := logged()
			o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}

			if tt.file > 0 {
				_, _, err := journal.Open(onDisk, o, func([]byte) error { return nil })
				damage, ok := errors.AsType[*journal.DamageError](err)
				if !ok || damage.File != fileName(tt.file) || !strings.Contains(err.Error(), "backup") {
					t.Fatal(err)
				}
			}

			o.Repair = true
			j, r, got := open(t, onDisk, o)
			if !slices.Equal(got, joined(records, tt.repaired...)) || r.Continues != (tt.file == 0) {
				t.Errorf("%d records, %+v", len(got), r)
			}
			if want := min(tt.file, 1); lines(slog.LevelError) != want {
				t.Errorf("%d errors logged", lines(slog.LevelError))
			}
			add(t, j, "anew")
			recovered := j.Recovered
			if !j.Behind() {
				recovered = j.DropBefore
			}
			if err := recovered(j.Current()); err != nil {
				t.Error(err)
			}
			j.Abandon()
			o.Repair = false
			if _, r, got := open(t, onDisk, o); fmt.Sprint(got) != "[anew]" || !r.Continues {
				t.Errorf("after the repair: %q, %+v", got, r)
			}
		})
	}
}

// If the last segment is missing, the error names it, even if only that segment knew that
// the first one had been dropped.
func TestLastSegmentMissing(t *testing.T) {
	disk, records := writeSegments(t, 5)
	disk.Delete(fileName(5))
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
	_, _, err := journal.Open(onDisk, o, nil)
	if damage, ok := errors.AsType[*journal.DamageError](err); !ok || damage.File != fileName(5) {
		t.Error(err)
	}
	o.Repair = true
	if _, r, got := open(t, onDisk, o); !slices.Equal(got, joined(records, 2, 3, 4)) || r.Continues {
		t.Errorf("%d records, %+v", len(got), r)
	}
}

// A power loss may leave the last segment without its header: that is a torn end. In the
// same boot it is damage.
func TestHeaderLostWithPower(t *testing.T) {
	for _, other := range []bool{false, true} {
		disk, records := writeSegments(t, 3)
		last := disk.Read(fileName(5))
		if other {
			disk.PowerLoss()
		}
		clear(last[:4096])
		disk.Write(fileName(5), last)

		logger, lines := logged()
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
		if !other {
			_, _, err := journal.Open(onDisk, o, nil)
			if damage, ok := errors.AsType[*journal.DamageError](err); !ok || damage.File != fileName(5) {
				t.Error(err)
			}
			continue
		}
		_, r, got := open(t, onDisk, o)
		if !slices.Equal(got, joined(records, 2, 3, 4)) || r.Continues || r.Cut == nil || lines(slog.LevelWarn) != 1 {
			t.Errorf("%d records, %+v", len(got), r)
		}
	}
}

// A format that is not known is not touched.
func TestVersion(t *testing.T) {
	disk := writeTorn(t, false)
	image := disk.Read(firstFile)
	image[8] = 2
	disk.Write(firstFile, image)
	_, _, err := journal.Open(onDisk, journal.Options{FS: disk.Process(), Repair: true, Logger: quiet}, nil)
	if v, ok := errors.AsType[*journal.VersionError](err); !ok || v.Version != 2 || v.File != firstFile {
		t.Error(err)
	}
	if !slices.Equal(disk.Read(firstFile), image) {
		t.Error("the file has been changed")
	}
}

// Open returns the error of the function that gets the records, and releases the
// directory.
func TestApplyError(t *testing.T) {
	disk := writeTorn(t, false)
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet, Wait: -1}
	wrong := errors.New("wrong")
	if _, _, err := journal.Open(onDisk, o, func([]byte) error { return wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	if _, _, got := open(t, onDisk, o); len(got) != 4 {
		t.Errorf("%d records", len(got))
	}
}
