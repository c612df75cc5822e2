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

const firstFile = onDisk + "/0000000001.journal"

// written are the records of writeTorn, and frames the offsets at which their frames
// begin, and at which the last one ends.
var (
	written = []string{"one, durable", "two, durable", "three, the last but one", "four, the last \x00\x00"}
	frames  = offsets(written)
)

func offsets(records []string) []int {
	at := []int{4096}
	for _, record := range records {
		at = append(at, at[len(at)-1]+20+len(record))
	}
	return at
}

// writeTorn returns a disk whose journal has four records and was killed. The first two
// are below the watermark.
func writeTorn(t *testing.T, commits bool) *faultfs.Disk {
	disk := faultfs.New(1)
	synctest.Test(t, func(t *testing.T) {
		o := journal.Options{FS: disk.Process(), Segment: 1, Logger: quiet}
		if commits {
			o.Sync = -1
		}
		j, _, _ := open(t, onDisk, o)
		add(t, j, written[:2]...)
		time.Sleep(1500 * time.Millisecond)
		add(t, j, written[2:]...)
		disk.Kill()
		j.Abandon()
	})
	return disk
}

// Whatever is wrong with the last records, those before them are there, and Continues is
// true only if no answered record can be missing.
func TestTornEnd(t *testing.T) {
	for _, boot := range []string{"same boot", "other boot", "same boot, commits", "other boot, commits"} {
		same, commits := strings.HasPrefix(boot, "same"), strings.HasSuffix(boot, "commits")
		whole := writeTorn(t, commits)
		if !same {
			synced := whole.Read(firstFile)
			whole.PowerLoss()
			whole.Write(firstFile, synced)
		}
		image := whole.Read(firstFile)

		for at := frames[2]; at <= frames[4]; at++ {
			intact := 2 // records whose frames are not touched
			for intact < 4 && frames[intact+1] <= at {
				intact++
			}
			if raceEnabled && at%5 != 0 && !slices.Contains(frames, at) {
				continue // all of them take long
			}
			onBoundary := slices.Contains(frames, at)

			t.Run(fmt.Sprintf("%s/zeros from %d", boot, at), func(t *testing.T) {
				torn := slices.Clone(image)
				clear(torn[at:])
				if string(torn) == string(image) {
					intact, onBoundary = 4, true
				}
				checkTorn(t, whole, torn, intact, same || commits, onBoundary)
			})
			t.Run(fmt.Sprintf("%s/cut at %d", boot, at), func(t *testing.T) {
				checkTorn(t, whole, image[:at], intact, !same && commits, false)
			})
			if at == frames[4] {
				continue
			}
			t.Run(fmt.Sprintf("%s/flipped at %d", boot, at), func(t *testing.T) {
				torn := slices.Clone(image)
				torn[at] ^= 0xff
				if same && at < frames[3] {
					checkDamage(t, whole, torn, frames[2], "one, durable", "two, durable", "four, the last \x00\x00")
					return
				}
				checkTorn(t, whole, torn, intact, !same && commits, false)
			})
		}
	}
}

// checkTorn opens a journal whose first file is torn.
func checkTorn(t *testing.T, whole *faultfs.Disk, torn []byte, intact int, continues, uncut bool) {
	t.Helper()
	disk := whole.Clone(1)
	disk.Write(firstFile, torn)
	logger, lines := logged()
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
	j, r, got := open(t, onDisk, o)
	if !slices.Equal(got, written[:intact]) || r.Continues != continues || (r.Cut == nil) != uncut || r.Clean {
		t.Errorf("%d records, want %d; continues %v, uncut %v, but %+v", len(got), intact, continues, uncut, r)
	}
	if want := map[bool]int{false: 1, true: 0}[uncut]; lines(slog.LevelWarn) != want {
		t.Errorf("%d lines logged", lines(slog.LevelWarn))
	}
	if r.Cut != nil && (r.Cut.File != firstFile || r.Cut.Offset != int64(frames[intact])) {
		t.Errorf("%+v", r.Cut)
	}

	// What has been cut off is not seen again, but stays for those who want to examine
	// it.
	if !uncut && !slices.Equal(disk.Read(firstFile), torn) {
		t.Error("the file has been changed")
	}
	add(t, j, "more")
	j.Abandon()
	_, r, got = open(t, onDisk, o)
	want := append(slices.Clone(written[:intact]), "more")
	if !slices.Equal(got, want) || r.Cut != nil || r.Continues != continues {
		t.Errorf("the second time: %q, want %q, %+v", got, want, r)
	}
}

// checkDamage opens a journal whose first file is damaged, without and with Repair.
func checkDamage(t *testing.T, whole *faultfs.Disk, damaged []byte, at int, repaired ...string) {
	t.Helper()
	disk := whole.Clone(1)
	disk.Write(firstFile, damaged)
	logger, lines := logged()
	o := journal.Options{FS: disk.Process(), Segment: 1, Logger: logger}
	_, _, err := journal.Open(onDisk, o, func([]byte) error { return nil })
	damage, ok := errors.AsType[*journal.DamageError](err)
	if !ok || damage.File != firstFile || damage.Offset != int64(at) || !strings.Contains(err.Error(), "set Repair") {
		t.Fatalf("want damage at %d: %v", at, err)
	}
	report, err := journal.Check(onDisk, o.FS, nil)
	if err != nil || report.Damage == nil || *report.Damage != *damage {
		t.Errorf("Check: %v, %+v", err, report)
	}

	o.Repair = true
	j, r, got := open(t, onDisk, o)
	if !slices.Equal(got, repaired) || r.Continues || !j.Behind() || r.Cut == nil || r.Cut.Offset != int64(at) {
		t.Errorf("repaired: %q, %+v", got, r)
	}
	if lines(slog.LevelError) != 1 {
		t.Errorf("%d errors logged", lines(slog.LevelError))
	}

	// Everything that could be read is rewritten.
	if err := j.Recovered(j.Oldest()); !errors.Is(err, journal.ErrBehind) {
		t.Errorf("recovered with the damaged segment: %v", err)
	}
	add(t, j, "anew")
	if err := j.Recovered(j.Current()); err != nil {
		t.Error(err)
	}
	j.Abandon()
	o.Repair = false
	if _, r, got := open(t, onDisk, o); !r.Continues || fmt.Sprint(got) != "[anew]" {
		t.Errorf("after the repair: %q, %+v", got, r)
	}
}

// A bad frame below the watermark is damage, whatever happened.
func TestDamageBelowWatermark(t *testing.T) {
	for _, other := range []bool{false, true} {
		for at := frames[0]; at < frames[2]; at++ {
			t.Run(fmt.Sprintf("other boot %v, at %d", other, at), func(t *testing.T) {
				disk := writeTorn(t, false)
				image := disk.Read(firstFile)
				if other {
					disk.PowerLoss()
				}
				image[at] ^= 0xff
				bad, repaired := 0, written[1:]
				if at >= frames[1] {
					bad, repaired = 1, []string{written[0], written[2], written[3]}
				}
				checkDamage(t, disk, image, frames[bad], repaired...)
			})
		}
	}
}
