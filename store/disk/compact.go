package disk

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
)

// How large the journal may be: as many segments as twice the live data takes, and so
// many more. Segments count, and not what they have: each is a file of full size.
const (
	compactAbove = 3 // then the oldest segments are removed
	waitAbove    = 5 // then steps wait until some are removed
	atMost       = 8 // one that is begun while steps are under way, and two in reserve, included
)

// longestWait is how long a step waits at most for compaction.
const longestWait = time.Second

// compact removes the oldest segments while there are too many. What is needed of them is
// rewritten first. Each time all that are too many are removed, because each time waits
// for the disk.
func (s *Store) compact() {
	for {
		live := uint32(2 * s.saved.Live() / s.segment)
		s.journal.most.Store(live + waitAbove)
		have, want := s.journal.segments(), live+compactAbove
		if have <= want {
			return
		}
		before := min(s.journal.Oldest()+have-want, s.journal.Current())
		if !s.saved.Rewrite(before, s.pause) || s.journal.Behind() {
			return // if it is behind, some of what was rewritten may be missing
		}
		if err := s.journal.DropBefore(before); err != nil {
			s.log.Warn("disk: cannot remove an old segment", "error", err)
			return
		}
	}
}

// recorder is the journal as package memory uses it.
type recorder struct {
	*journal.Journal
	most atomic.Uint32 // segments; zero before it is known
	stop <-chan struct{}
}

func (r *recorder) Append(record []byte) (uint64, error) {
	mark, err := r.Journal.Append(record)
	return uint64(mark), err
}

// Commit also slows steps down that write faster than compaction can remove. Nobody holds
// a lock meanwhile.
func (r *recorder) Commit(mark uint64) error {
	if r.isTooLarge() {
		r.wait()
	}
	return r.Journal.Commit(journal.Mark(mark))
}

func (r *recorder) isTooLarge() bool {
	most := r.most.Load()
	return most > 0 && r.segments() >= most
}

// segments returns how many segments have records.
func (r *recorder) segments() uint32 { return r.Current() - r.Oldest() + 1 }

func (r *recorder) wait() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range longestWait / time.Millisecond {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		if !r.isTooLarge() || r.Behind() || r.Full() { // what is behind or full is not compacted
			return
		}
	}
}

// pause lets others run, and reports false when the store is being closed.
func (s *Store) pause() bool {
	runtime.Gosched()
	select {
	case <-s.stop:
		return false
	default:
		return true
	}
}
