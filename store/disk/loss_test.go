package disk_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
)

func asError[E error](err error, target *E) bool { return errors.As(err, target) }

// S2: a loss of power loses nothing that was answered if each step is written through,
// and otherwise at most the last second. If something may be missing, no number is given
// twice: the session goes on in another epoch, and the client is told.
func TestS2PowerLoss(t *testing.T) {
	for seed := range uint64(100) {
		for _, sync := range []time.Duration{0, -1} {
			synctest.Test(t, func(t *testing.T) {
				d := faultfs.New(seed)
				s := newSite(t, disk.Small(disk.Options{Sync: sync}), onDisk(d))
				l := s.log("ann")
				s.attach(l, "tab", store.Position{})
				first := s.add(l, "0")
				s.add(l, numbers(1, 19)...)
				time.Sleep(2500 * time.Millisecond)
				last := s.add(l, numbers(20, 20)...)
				d.PowerLoss()
				s.Kill()
				s.start()

				// The client has the first message.
				l = s.log("ann")
				a := s.attach(l, "tab", first)
				all, _, err := l.Read(s.ctx(), a.Link, a.Position.Seq, 1<<20, nil)
				s.must(err)
				next := s.add(l, "next")
				same := next.Epoch == last.Epoch
				switch {
				case sync < 0 && !(a.Resumed && same && len(all) == 39):
					t.Errorf("seed %d: attached as %+v, %d messages are there", seed, a, len(all))
				case same && next.Seq != last.Seq+1:
					t.Errorf("seed %d: the number %d was given to another message", seed, next.Seq)
				case !same && (a.Reason != store.MissingRestarted || len(all) < 20):
					t.Errorf("seed %d: attached as %+v, %d messages are there", seed, a, len(all))
				}
				s.must(s.Close())
			})
		}
	}
}

// S3: damage in the middle is no reason to guess: Open says where it is. With Repair,
// what is left is there, under new epochs.
func TestS3Damage(t *testing.T) {
	s := newSite(t, disk.Small(disk.Options{}), nil)
	p := s.add(s.log("ann"), numbers(0, 50)...)
	for i := range 2000 {
		s.log(fmt.Sprint("session-", i))
	}
	time.Sleep(1100 * time.Millisecond) // until it is known to be on the disk
	s.Kill()
	damage(t, s.dir)

	report, err := disk.Check(s.dir)
	s.must(err)
	if report.Damage == nil || report.Continues || report.Clean {
		t.Errorf("Check of a damaged directory: %+v", report)
	}
	_, err = disk.Open(s.dir, disk.Small(disk.Options{Logger: s.o.Logger}))
	var damaged *journal.DamageError
	if !asError(err, &damaged) || damaged.Offset == 0 || !strings.Contains(err.Error(), "Repair") {
		t.Fatalf("Open of a damaged directory: %v", err)
	}
	s.o.Repair = true
	s.start()
	if a := s.attach(s.log("ann"), "tab", p); a.Resumed || a.Reason != store.MissingRestarted {
		t.Errorf("attached as %+v", a)
	}
	s.must(s.Close())
	s.o.Repair = false
	s.start() // it is whole again
}

// damage changes a byte in the middle of the oldest segment.
func damage(t *testing.T, dir string) {
	all, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil || len(all) < 3 {
		t.Fatalf("the segments are %q, %v", all, err)
	}
	slices.Sort(all)
	f, err := os.OpenFile(all[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0xff, 0xfe}, 30_000); err != nil {
		t.Fatal(err)
	}
}

// S3: a full disk refuses what adds something. Acknowledgements and ends go on, it heals
// by itself, and nothing that was answered is missing after a kill.
func TestS3FullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := faultfs.New(1)
		s := newSite(t, disk.Small(disk.Options{}), onDisk(d))
		l := s.log("ann")
		a := s.attach(l, "tab", store.Position{})
		other := s.log("other")
		var last store.Position
		d.SetQuota(d.Used() + 1)

		n := 0
		full := func() bool {
			p, err := l.Append(s.ctx(), &store.Message{Data: make([]byte, 1000)}, "")
			if err == nil {
				last, n = p, n+1
				all, _, err := l.Read(s.ctx(), a.Link, p.Seq-1, 1<<20, nil)
				s.must(err)
				if len(all) != 1 {
					t.Fatalf("%d entries", len(all))
				}
				s.must(l.Ack(s.ctx(), a.Link, p))
				return false
			}
			is(t, "Append", err, store.ErrFull)
			return true
		}
		for !full() {
			if n > 1000 {
				t.Fatal("the disk never becomes full")
			}
		}

		_, _, err := s.Open(s.ctx(), "new", store.Asked{}, true, bounds)
		is(t, "a new session", err, store.ErrBudget)
		_, err = l.Attach(s.ctx(), store.Claim{Reader: "another"})
		is(t, "a new reader", err, store.ErrBudget)
		said := store.Publication{Message: &store.Message{Data: []byte("x")}}
		_, err = s.Topic("room", topicBounds).Publish(s.ctx(), said)
		is(t, "Publish", err, store.ErrFull)
		for range 300 { // from the reserve
			s.must(l.Ack(s.ctx(), a.Link, last))
		}
		_, err = s.End(s.ctx(), "other", time.Hour)
		s.must(err)
		is(t, "a step on the session that has ended", other.Renew(s.ctx()), store.ErrRevoked)

		d.SetQuota(0)
		time.Sleep(5 * time.Second)
		if full() {
			t.Error("there is room, and the disk counts as full")
		}
		s.Kill()
		s.start()
		if b := s.attach(s.log("ann"), "tab", last); !b.Resumed {
			t.Errorf("attached as %+v", b)
		}
		_, _, err = s.Open(s.ctx(), "other", store.Asked{Signed: time.Unix(1, 0)}, true, bounds)
		is(t, "the session that was ended", err, store.ErrRevoked)
		s.must(s.Close())
	})
}

// S4: traffic does not make the journal grow beyond twice what is live, and some
// segments.
func TestS4Compaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, disk.Small(disk.Options{}), onDisk(faultfs.New(1)))
		l := s.log("ann")
		a := s.attach(l, "tab", store.Position{})
		idle := s.add(s.log("idle"), "waits")
		var last store.Position
		for i := range 60 {
			for range 100 {
				last = s.add(l, strings.Repeat("x", 500))
				_, _, err := l.Read(s.ctx(), a.Link, last.Seq-1, 1<<20, nil)
				s.must(err)
				s.must(l.Ack(s.ctx(), a.Link, last))
			}
			time.Sleep(250 * time.Millisecond)
			if size, bound := s.Size(); size > bound {
				t.Fatalf("after %d messages: %d bytes, bound %d", (i+1)*100, size, bound)
			}
		}
		s.Kill()
		s.start()
		if b := s.attach(s.log("ann"), "tab", last); !b.Resumed {
			t.Errorf("attached as %+v", b)
		}
		if b := s.attach(s.log("idle"), "tab", idle); !b.Resumed {
			t.Errorf("the session that nobody used: %+v", b)
		}
		s.must(s.Close())
	})
}

// S4: a process that is killed leaves a segment with little in it. After many kills these
// are removed, and no step waits for that.
func TestS4ManyKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, disk.Small(disk.Options{}), onDisk(faultfs.New(1)))
		for i := range 30 {
			time.Sleep(time.Second)
			began := time.Now()
			s.add(s.log("ann"), "said")
			if took := time.Since(began); took > 0 {
				t.Fatalf("after %d kills a step took %v", i, took)
			}
			s.Kill()
			s.start()
		}
		if size, bound := s.Size(); size > bound {
			t.Errorf("%d bytes, bound %d", size, bound)
		}
		s.must(s.Close())
	})
}
