package journal

import (
	"errors"
	"hash/crc32"
	"slices"
)

// Close writes that the journal ends here, fsyncs it and releases the directory. If it is
// called again, it returns ErrClosed.
func (j *Journal) Close() error {
	if !j.stop() {
		return ErrClosed
	}

	err := j.writeEnd()
	return errors.Join(err, j.release())
}

// Abandon releases the directory as the end of the process would, and writes nothing. It
// is for tests.
func (j *Journal) Abandon() {
	if j.stop() {
		_ = j.release()
	}
}

// stop waits until everything is written that was appended, and ends the goroutines. It
// reports whether it was the first to be called.
func (j *Journal) stop() bool {
	j.mu.Lock()
	if j.phase != phaseOpen {
		j.mu.Unlock()
		return false
	}
	j.phase = phaseClosing
	j.taken.Broadcast()
	for j.writing || j.syncing {
		if j.writing {
			j.idle.Wait()
		} else {
			j.synced.Wait()
		}
	}
	j.writing = true // for good
	j.mu.Unlock()

	close(j.quit)
	j.running.Wait()
	return true
}

// writeEnd fsyncs everything and writes the last frame.
func (j *Journal) writeEnd() error {
	s := j.segment
	if !s.bad {
		b := appendFrame(nil, j.seed, kindEnd, j.written, nil, crc32.Update(j.seed, castagnoli, nil))
		if _, err := s.file.WriteAt(b, s.end); err != nil {
			return err
		}
		j.written++
		s.end += int64(len(b))
	}

	for _, u := range append(j.unsynced, s) {
		if err := u.file.Sync(); err != nil {
			j.behind.Store(true)
			return errors.Join(err, j.writeLastState())
		}
	}
	j.durable = j.written
	return j.writeLastState()
}

func (j *Journal) writeLastState() error {
	if !j.writeState(true) {
		return errors.New("journal: the header could not be written")
	}
	return nil
}

// release closes all files and unlocks the directory.
func (j *Journal) release() error {
	j.mu.Lock()
	defer j.mu.Unlock()

	j.phase = phaseClosed
	j.synced.Broadcast()
	var err error
	for _, s := range slices.Concat(j.unsynced, j.lost, j.prepared, []*segment{j.segment}) {
		err = errors.Join(err, s.file.Close())
	}
	return errors.Join(err, j.lock.Unlock())
}
