// Package disk keeps sessions and topics in a directory, so that a restart loses nothing:
// a deploy, a crash, kill -9. One process at a time uses a directory.
//
//	s, err := disk.Open("/var/lib/app", disk.Options{})
//	if err != nil { … }
//	live := mirage.New(mirage.Options{Store: s, Keys: keys})
//	… // live.Shutdown, and then:
//	err = s.Close()
//
// The store works from memory, as package memory does, and writes what each step changes
// into a journal before the step is answered. So everything has to fit into memory
// (Options.Budget).
//
// # What survives
//
// A killed process loses nothing that was answered. Sessions, their messages, positions,
// the numbers of writers, memberships in topics, topics, moves and revocations go on, and
// clients resume. Links end with the process. So does the presence of topics: whoever
// comes back enters again. Readers that do not come back within ten seconds count as
// gone.
//
// A loss of power, or a crash of the operating system, may lose what came in the last
// Options.Sync. Numbers may then have been given to messages that are lost. So all
// sessions and topics go on with new epochs: clients are told that the server has
// restarted, keep their ids, and get what there is. This also happens after a kill on
// systems other than Linux and macOS, because a program cannot find out there whether the
// machine has been restarted.
//
// # When the disk is full
//
// What adds something is refused: messages (store.ErrFull), and new sessions, readers and
// memberships (store.ErrBudget). Acknowledgements go on, as does everything that ends
// something, from a reserve. Once there is room, all goes on by itself.
package disk

import (
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
	"github.com/mirage-go/mirage/store/memory"
)

// A Store is a store.TopicStore in a directory. It is safe for concurrent use.
type Store struct {
	*inMemory
	saved   *memory.Journaled
	journal *recorder
	log     *slog.Logger
	segment int64 // bytes

	stop chan struct{}
	work sync.WaitGroup
	once sync.Once
	err  error // of Close
}

// ErrClosed means that a session could not be made, ended or moved, because the store is
// closed.
var ErrClosed = memory.ErrClosed

// inMemory is what the store works from.
type inMemory = memory.Store

// Options configure a Store. The zero value works.
type Options struct {
	// Sync is how often the journal is written through to the disk: a loss of power loses
	// at most what came in this time. Zero means 1s. If it is negative, no step is
	// answered before it is on the disk, and a loss of power loses nothing.
	Sync time.Duration
	// Grace is how long the program may be away without any effect on sessions: it does
	// not count towards their retention, nor towards the age of messages. Zero means 1
	// minute. Negative means none.
	Grace time.Duration
	// Wait is how long Open waits for another process to close the directory. So a new
	// process may start while the old one shuts down. Zero means 10s. Negative means not
	// at all.
	Wait time.Duration
	// Repair makes Open pass over damage instead of returning an error. What is in the
	// damaged part is lost, and clients are told that the server has restarted.
	Repair bool
	// Budget bounds the memory of all sessions and topics, in bytes, as
	// memory.Options.Budget does. Zero means 256 MiB. Negative means no bound. The
	// directory takes up to twice what they take, and 64 MiB.
	Budget int64
	// Logger is told at level Warn or Error what somebody must act on: a full disk,
	// damage, what a crash has cut off. Nil means slog.Default().
	Logger *slog.Logger

	// For tests:

	fs      journal.FS // nil means the real one
	segment int64      // the size of a segment; zero means segmentBytes
}

const (
	segmentBytes = 8 << 20
	// lookEvery is how often it is checked whether there is something to compact.
	lookEvery = 50 * time.Millisecond
	tickEvery = time.Second / lookEvery
)

// Open opens the store in a directory, which is made if it does not exist. Only the user
// may read it. Nobody else may use the directory until Close; the operating system sees
// to that, also after a crash. The error is about another process that uses it, about
// damage, or from the file system. It says what to do.
func Open(dir string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Grace == 0 {
		o.Grace = time.Minute
	}
	if o.segment == 0 {
		o.segment = segmentBytes
	}
	began := time.Now()
	loading := memory.Load(memory.Options{Budget: o.Budget, Logger: o.Logger})
	j, r, err := journal.Open(dir, journal.Options{
		Sync: o.Sync, Wait: o.Wait, Repair: o.Repair, Segment: o.segment, Logger: o.Logger, FS: o.fs,
	}, loading.Apply)
	if err != nil {
		return nil, err
	}

	s := &Store{log: o.Logger, segment: o.segment, stop: make(chan struct{})}
	s.journal = &recorder{Journal: j, stop: s.stop}
	s.saved = loading.Start(s.journal, memory.Resume{
		Found: r.Found, Continues: r.Continues, Away: passed(r.Stopped, o.Grace), Oldest: j.Oldest(),
	})
	s.inMemory = s.saved.Store
	if r.Found && !r.Continues {
		s.catchUp() // so that the next process can go on
	}
	if r.Found {
		o.Logger.Info("disk: the store is open", "dir", dir, "records", r.Records, "bytes", r.Bytes,
			"took", time.Since(began), "continues", r.Continues)
	}
	s.work.Go(s.keep)
	return s, nil
}

// passed returns how much time has passed for the store since it stopped.
func passed(stopped time.Time, grace time.Duration) time.Duration {
	return max(0, time.Since(stopped)-max(0, grace))
}

// Close ends the store cleanly, and lets another process open the directory. Call it
// after the Manager's Shutdown, or Live.Shutdown. What the steps of existing sessions
// change later is not saved. A second call returns what the first one did.
func (s *Store) Close() error {
	s.once.Do(func() {
		close(s.stop)
		s.work.Wait()
		s.saved.Close()
		s.saved.Tick()
		s.err = s.journal.Close()
	})
	return s.err
}

// Backup copies the store as it is at one moment into a directory that does not exist or
// is empty, while the store is in use. A store that is opened from a backup begins with
// new epochs: the numbers after the backup were given to other messages.
func (s *Store) Backup(dir string) error { return s.journal.Backup(dir) }

// keep saves the time, and keeps the journal small, until Close.
func (s *Store) keep() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.stop:
			return
		case <-tick.C:
		}
		if n%int(tickEvery) == 0 {
			s.saved.Tick()
		}
		if s.journal.Behind() && !s.journal.Full() {
			s.catchUp()
		}
		s.compact()
	}
}

// catchUp rewrites everything: the journal lacks something.
func (s *Store) catchUp() {
	from := s.journal.Current()
	if !s.saved.Rewrite(math.MaxUint32, s.pause) {
		return
	}
	if err := s.journal.Recovered(from); err != nil && !errors.Is(err, journal.ErrBehind) {
		s.log.Warn("disk: cannot rewrite the journal", "error", err)
	}
}
