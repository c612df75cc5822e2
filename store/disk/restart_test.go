package disk_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/internal/journal/faultfs"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/disk"
)

var topicBounds = store.TopicBounds{MaxMessages: 100, MaxBytes: 1 << 20, MaxGrown: 1 << 20, Age: time.Hour}

// S2: all that was answered is there after a restart: positions, numbers, turns,
// memberships, topics, moves and revocations.
func TestS2GoesOn(t *testing.T) {
	for name, end := range map[string]func(*site){
		"killed": func(s *site) { s.Kill() },
		"closed": func(s *site) { s.must(s.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, disk.Options{}, nil)
			l := s.log("ann")
			a := s.attach(l, "tab", store.Position{})
			one := s.add(l, "one")
			s.reads(l, a, "one")
			s.must(l.Ack(s.ctx(), a.Link, one))
			two := s.add(l, "two", "three")
			for n, handled := range []bool{true, false} {
				_, _, err := l.Begin(s.ctx(), a.Link, "writer", 1, uint64(n+1), time.Minute)
				s.must(err)
				if handled {
					s.must(l.Commit(s.ctx(), "writer", uint64(n+1), true))
				}
			}

			room := s.Topic("room", topicBounds)
			at, err := room.Position(s.ctx())
			s.must(err)
			join := store.TopicJoin{Topic: "room", At: at, Max: 10, Info: []byte("{}")}
			join.Link.Reader = "tab"
			s.must(l.JoinTopic(s.ctx(), join))
			_, err = room.Publish(s.ctx(), store.Publication{Message: &store.Message{Data: []byte("said")}})
			s.must(err)
			for _, piece := range []string{"grows ", "on"} {
				m := &store.Message{Event: "answer", Key: "1", Data: []byte(piece)}
				_, err = room.Publish(s.ctx(), store.Publication{Message: m, Grows: true})
				s.must(err)
			}

			gone := s.log("gone")
			s.add(gone, "x")
			signed := s.Now()
			_, err = s.End(s.ctx(), "gone", time.Hour)
			s.must(err)
			s.add(s.log("old"), "moved")
			_, err = s.Move(s.ctx(), "old", "new", store.Moving{Client: "tab", Keep: time.Hour})
			s.must(err)

			end(s)
			s.start()

			l = s.log("ann")
			// It counts as long as the reader is known.
			is(t, "an acknowledgement on the old link", l.Ack(s.ctx(), a.Link, two), nil)
			b := s.attach(l, "tab", one)
			if !b.Resumed || !b.Joined || b.Link.Number <= a.Link.Number || b.Position.Epoch != one.Epoch {
				t.Errorf("attached as %+v", b)
			}
			s.reads(l, b)
			s.add(l, "four")
			s.reads(l, b, "four")
			turn, last, err := l.Begin(s.ctx(), b.Link, "writer", 1, 2, time.Minute)
			if turn != store.TurnAgain || last != 1 || err != nil {
				t.Errorf("the turn that was not ended is %v after %d, %v", turn, last, err)
			}
			if turn, _, _ := l.Begin(s.ctx(), b.Link, "writer", 1, 1, time.Minute); turn != store.TurnDone {
				t.Errorf("a message that was accepted has the turn %v", turn)
			}

			of, err := l.Topics(s.ctx(), b.Link)
			s.must(err)
			if len(of.Joined) != 1 || of.Joined[0].Topic != "room" || string(of.Joined[0].Info) != "{}" {
				t.Errorf("the tab is in %+v", of)
			}
			cursor := store.TopicCursor{At: at}
			entries, _, err := s.Topic("room", topicBounds).Read(s.ctx(), &cursor, 1<<20, nil)
			s.must(err)
			var said []string
			for _, e := range entries {
				said = append(said, string(e.Message.Data))
			}
			if !slices.Equal(said, []string{"said", "grows on"}) {
				t.Errorf("the topic has %q", said)
			}

			_, _, err = s.Open(s.ctx(), "gone", store.Asked{Signed: signed}, true, bounds)
			is(t, "a value that was revoked", err, store.ErrRevoked)
			standing, err := s.Resolve(s.ctx(), "old", store.Asked{Signed: signed, Came: s.Now()}, "tab")
			if standing.ID != "new" || err != nil {
				t.Errorf("the old id leads to %+v, %v", standing, err)
			}
			s.reads(s.log("new"), s.attach(s.log("new"), "tab", store.Position{}), "moved")
		})
	}
}

// S2: whoever was here and does not come back within ten seconds counts as gone, and is
// told to one caller. Whoever comes back is not.
func TestS2ReadersThatStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, disk.Options{}, onDisk(faultfs.New(1)))
		l := s.log("ann")
		s.attach(l, "stays", store.Position{})
		s.attach(l, "leaves", store.Position{})
		s.Kill()
		s.start()
		if a := s.attach(s.log("ann"), "stays", store.Position{}); !a.Joined || a.Fresh {
			t.Errorf("the reader that came back is %+v", a)
		}
		due, err := s.Expired(s.ctx(), 10)
		if err != nil || len(due.Left) > 0 || due.Next > 10*time.Second {
			t.Errorf("at once: %+v, %v", due, err)
		}
		time.Sleep(due.Next)
		due, err = s.Expired(s.ctx(), 10)
		if err != nil || len(due.Left) != 1 || due.Left[0] != (store.Left{ID: "ann", Reader: "leaves"}) {
			t.Errorf("after ten seconds: %+v, %v", due, err)
		}
		if due, _ := s.Expired(s.ctx(), 10); len(due.Left) > 0 {
			t.Errorf("again: %+v", due)
		}
		s.must(s.Close())
	})
}

// onDisk returns what each next process sees of a disk.
func onDisk(d *faultfs.Disk) func() journal.FS {
	return func() journal.FS { return d.Process() }
}

// S5: a restart within Grace costs no session anything. Beyond it, time counts.
func TestS5Grace(t *testing.T) {
	for name, tt := range map[string]struct {
		away  time.Duration
		lives bool
	}{
		"a deploy":      {50 * time.Second, true},
		"a while":       {time.Minute + 20*time.Second, true},
		"a long outage": {2*time.Minute + 10*time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, disk.Options{}, onDisk(faultfs.New(1)))
				p := s.add(s.log("ann"), "waits")
				time.Sleep(30 * time.Second) // of its minute
				s.must(s.Close())
				time.Sleep(tt.away)
				s.start()
				_, err := s.Expired(s.ctx(), 10)
				s.must(err)
				_, created, err := s.Open(s.ctx(), "ann", store.Asked{}, true, bounds)
				if created == tt.lives || err != nil {
					t.Errorf("a new session was made: %v, %v", created, err)
				}
				a := s.attach(s.log("ann"), "tab", p)
				if tt.lives != a.Resumed || !tt.lives && a.Reason != store.MissingExpired {
					t.Errorf("attached as %+v", a)
				}
				s.must(s.Close())
			})
		})
	}
}

// S1: a second process waits until the first one has closed the directory, and has
// everything of it.
func TestS1OneProcess(t *testing.T) {
	s := newSite(t, disk.Options{}, nil)
	s.add(s.log("ann"), "one")
	_, err := disk.Open(s.dir, disk.Options{Wait: -1, Logger: s.o.Logger})
	var locked *journal.LockedError
	if !asError(err, &locked) || locked.PID == 0 {
		t.Fatalf("Open of a directory in use: %v", err)
	}

	opened := make(chan *disk.Store)
	go func() {
		next, err := disk.Open(s.dir, disk.Options{Logger: s.o.Logger})
		if err != nil {
			t.Error(err)
		}
		opened <- next
	}()
	p := s.add(s.log("ann"), "two")
	s.must(s.Close())
	s.Store = <-opened
	if a := s.attach(s.log("ann"), "tab", p); !a.Resumed {
		t.Errorf("attached as %+v", a)
	}
}

// S2: what a closed store cannot save is refused: a log-out that is answered counts after
// the restart, too.
func TestS2Closed(t *testing.T) {
	s := newSite(t, disk.Options{}, nil)
	s.log("ann")
	s.log("old")
	s.must(s.Close())
	if _, err := s.End(s.ctx(), "ann", time.Hour); !errors.Is(err, disk.ErrClosed) {
		t.Errorf("End after Close: %v", err)
	}
	if _, err := s.Move(s.ctx(), "old", "new", store.Moving{Refuse: time.Hour}); !errors.Is(err, disk.ErrClosed) {
		t.Errorf("Move after Close: %v", err)
	}
	if _, _, err := s.Open(s.ctx(), "another", store.Asked{}, true, bounds); !errors.Is(err, disk.ErrClosed) {
		t.Errorf("a new session after Close: %v", err)
	}
}

// S2, D6, L1: a Manager on a store of an earlier process reports who did not come back
// and ends sessions whose time is over, even if nobody connects.
func TestS2ManagerSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, disk.Options{}, onDisk(faultfs.New(1)))
		s.attach(s.log("ann"), "tab", store.Position{})
		s.Kill()
		s.start()
		var detached, ended atomic.Int64
		m := session.New(session.Options{
			Store: s.Store, Retention: bounds.Retention, Logger: s.o.Logger,
			OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { detached.Add(1) },
			OnEnd:    func(context.Context, store.Ended) { ended.Add(1) },
		})
		time.Sleep(11 * time.Second)
		if detached.Load() != 1 || ended.Load() != 0 {
			t.Errorf("after 11 s: %d detached, %d ended", detached.Load(), ended.Load())
		}
		time.Sleep(bounds.Retention)
		if ended.Load() != 1 {
			t.Errorf("after the retention: %d ended", ended.Load())
		}
		s.must(m.Shutdown(s.ctx()))
		s.must(s.Close())
	})
}
