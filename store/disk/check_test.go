package disk_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
)

// S3: Check says what is in a directory, and whether it is whole. A backup is whole, and
// goes on with new epochs.
func TestS3CheckAndBackup(t *testing.T) {
	s := newSite(t, disk.Small(disk.Options{}), nil)
	check := func(dir, when string, want disk.Report) {
		t.Helper()
		r, err := disk.Check(dir)
		s.must(err)
		r.Files, r.Bytes, r.Cut = 0, 0, ""
		if r != want {
			t.Errorf("%s: %+v, want %+v", when, r, want)
		}
	}
	p := s.add(s.log("ann"), "one", "two")
	s.log("ben")
	said := store.Publication{Message: &store.Message{Data: []byte("x")}}
	_, err := s.Topic("room", topicBounds).Publish(s.ctx(), said)
	s.must(err)
	_, err = s.End(s.ctx(), "ben", time.Hour)
	s.must(err)

	want := disk.Report{Sessions: 1, Messages: 2, Topics: 1, Published: 1, IDs: 1, Continues: true}
	check(s.dir, "in use", want)
	backup := filepath.Join(t.TempDir(), "backup")
	s.must(s.Backup(backup))
	s.add(s.log("ann"), "three")
	s.must(s.Close())
	closed := want
	closed.Messages, closed.Clean = 3, true
	check(s.dir, "closed", closed)
	copied := want
	copied.Continues = false
	check(backup, "the backup", copied)

	s.dir = backup
	s.start()
	if a := s.attach(s.log("ann"), "tab", p); a.Reason != store.MissingRestarted {
		t.Errorf("attached to the backup as %+v", a)
	}
	empty, err := disk.Check(t.TempDir())
	if err != nil || empty.Sessions != 0 || empty.Files != 0 {
		t.Errorf("an empty directory has %+v, %v", empty, err)
	}
}
