package journal

import (
	"slices"
	"time"
)

const stateInterval = time.Second

// Commit returns when a record is fsynced, if Options.Sync is negative. Otherwise it
// returns nil at once. Concurrent calls share an fsync. It returns ErrBehind if the
// record could not be fsynced.
func (j *Journal) Commit(m Mark) error {
	if j.options.Sync >= 0 {
		return nil
	}
	if err := j.waitDurable(uint64(m) + 1); err != nil {
		return err
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gapFrom <= uint64(m) && uint64(m) < j.gapTo {
		return ErrBehind // others have fsynced what came after the gap
	}
	return nil
}

// waitDurable returns when the frames below a sequence number are fsynced.
func (j *Journal) waitDurable(target uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()

	for {
		switch {
		case j.durable >= target:
			return nil
		case j.phase == phaseClosed:
			return ErrClosed
		case j.syncing || j.phase == phaseClosing:
			j.synced.Wait() // Close fsyncs, too
			continue
		}
		if err := j.syncLocked(); err != nil {
			return ErrBehind
		}
	}
}

// syncNow fsyncs what has been written before the call. It also closes the files of
// earlier segments, which are then removed: Windows removes no open file.
func (j *Journal) syncNow() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	for j.syncing {
		j.synced.Wait()
	}
	if j.phase != phaseOpen {
		return ErrClosed
	}
	if err := j.syncLocked(); err != nil {
		return ErrBehind
	}
	return nil
}

// syncLocked fsyncs, without the lock, while nobody else does.
func (j *Journal) syncLocked() error {
	j.syncing = true
	j.mu.Unlock()
	err := j.fsync()
	j.mu.Lock()
	j.syncing = false
	j.synced.Broadcast()
	return err
}

// fsync makes durable what has been written. It is called by the one who has set syncing.
func (j *Journal) fsync() error {
	j.mu.Lock()
	target, last := j.written, j.segment
	rolled := slices.Clone(j.unsynced)
	j.mu.Unlock()

	for _, s := range append(rolled, last) {
		if err := s.file.Sync(); err != nil {
			j.syncFailed(err)
			return err
		}
	}

	j.mu.Lock()
	j.durable = max(j.durable, target)
	j.forgetUnsyncedLocked(len(rolled))
	j.mu.Unlock()
	return nil
}

// forgetUnsyncedLocked closes the first n of the segments that were not fsynced.
func (j *Journal) forgetUnsyncedLocked(n int) {
	for _, s := range j.unsynced[:n] {
		_ = s.file.Close() // it has been fsynced, or that failed
		s.file = nil
	}
	j.unsynced = slices.Clone(j.unsynced[n:])
}

// syncFailed makes the journal fall behind. The operating system may have dropped what it
// could not write, and report success the next time. So what was not fsynced counts as
// missing, and the journal goes on in another segment.
func (j *Journal) syncFailed(cause error) {
	gap := func() {
		j.mu.Lock()
		if j.gapTo == 0 {
			j.gapFrom = j.durable
		}
		j.gapTo, j.gapSegment = j.written, j.segment.number
		j.forgetUnsyncedLocked(len(j.unsynced))
		j.mu.Unlock()
	}

	err := j.exclusively(func() {
		gap()
		j.fallBehind(cause)
		j.leaveBad()
	})
	if err != nil {
		gap()
		j.behind.Store(true) // Close writes it
	}
}

// runSync fsyncs as often as Options.Sync says, and writes the state each second.
func (j *Journal) runSync() {
	interval, every := stateInterval, 1
	if s := j.options.Sync; s > 0 {
		interval = min(interval, s)
		every = int(max(1, s/interval))
	}

	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for tick := 1; ; tick++ {
		select {
		case <-ticker.C:
		case <-j.quit:
			return
		}

		if tick%every == 0 {
			j.mu.Lock()
			if j.phase == phaseOpen && !j.syncing && j.durable < j.written {
				_ = j.syncLocked() // a failure has been logged and marked
			}
			j.mu.Unlock()
		}
		_ = j.exclusively(func() { j.writeState(false) })
	}
}
