package journal

import (
	"errors"
	"fmt"
)

// DropBefore removes the segments before the one with this number. Everything in them
// that is still needed must have been appended again. DropBefore fsyncs it first. It
// returns ErrBehind, and removes nothing, if this segment or a later one could not be
// fsynced.
func (j *Journal) DropBefore(number uint32) error { return j.drop(number, false) }

// Recovered ends that the journal is behind. Everything that is needed must have been
// appended after Current returned this number. Recovered fsyncs it and removes older
// segments. It returns ErrBehind if records have been lost since: then everything has to
// be appended once more.
func (j *Journal) Recovered(number uint32) error { return j.drop(number, true) }

func (j *Journal) drop(number uint32, recovered bool) error {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()

	if number > j.Current() {
		return fmt.Errorf("journal: segment %d has not been written", number)
	}
	if err := j.syncNow(); err != nil {
		return err
	}

	err := ErrBehind
	if closed := j.exclusively(func() { err = j.writeOldest(number, recovered) }); closed != nil {
		return closed
	}
	if err != nil {
		return err
	}
	return j.removeBefore(number)
}

// writeOldest writes into the state that older segments are no longer needed.
func (j *Journal) writeOldest(number uint32, recovered bool) error {
	j.mu.Lock()
	failed := j.gapSegment
	if recovered {
		failed = j.failed
	}
	if failed > 0 && number <= failed {
		j.mu.Unlock()
		return ErrBehind
	}
	j.oldestNeeded = max(j.oldestNeeded, number)
	was, from, to := j.behind.Load(), j.gapFrom, j.gapTo
	if recovered {
		j.behind.Store(false)
		j.gapFrom, j.gapTo = 0, 0
	}
	j.mu.Unlock()

	if j.writeState(true) {
		if recovered && was {
			j.log.Info("journal: everything has been rewritten", "dir", j.dir)
		}
		return nil
	}

	// It is not known which state is on the disk, so the segments stay.
	j.mu.Lock()
	j.behind.Store(was)
	j.gapFrom, j.gapTo = from, to
	j.mu.Unlock()
	j.fallBehind(errors.New("the header could not be written"))
	return ErrBehind
}

// removeBefore removes the segments before number, the oldest first.
func (j *Journal) removeBefore(number uint32) error {
	removed := false
	for {
		j.mu.Lock()
		oldest := j.segments[0]
		j.oldest.Store(oldest.number)
		j.mu.Unlock()
		if oldest.number >= number {
			break
		}

		if err := j.fs.Remove(oldest.name); err != nil {
			return err
		}
		removed = true
		j.mu.Lock()
		j.segments = j.segments[1:]
		j.mu.Unlock()
	}

	if !removed {
		return nil
	}
	j.prepareMore()
	return j.fs.SyncDir(j.dir)
}
