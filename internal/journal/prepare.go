package journal

import (
	"path/filepath"
	"time"
)

const (
	wantPrepared = 2 // the next segment, and the reserve
	retryRoom    = time.Second
)

// prepareMore tells the preparer that a segment has been taken or that there may be room.
func (j *Journal) prepareMore() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

// runPreparer keeps two segments prepared. While there is no room, it tries each second.
func (j *Journal) runPreparer() {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-j.kick:
		case <-retry.C:
		case <-j.quit:
			return
		}
		if !j.prepareAll() {
			retry.Reset(retryRoom)
		}
	}
}

// prepareAll prepares what is missing. It reports whether there was room.
func (j *Journal) prepareAll() bool {
	for {
		j.mu.Lock()
		if len(j.prepared) >= wantPrepared {
			j.mu.Unlock()
			return true
		}
		var leftover *segmentFile
		if len(j.leftovers) > 0 {
			leftover = j.leftovers[0]
			j.leftovers = j.leftovers[1:]
		}
		number := j.nextNumber
		j.mu.Unlock()

		s, err := j.prepare(number, leftover)

		j.mu.Lock()
		if err == nil {
			j.prepared = append(j.prepared, s)
			j.nextNumber = max(j.nextNumber, s.number+1)
		}
		j.noRoom = err != nil || j.noRoom && len(j.prepared) < wantPrepared
		j.updateFullLocked()
		if j.segment.bad && err == nil {
			j.orderLocked(order{j.leaveBad, make(chan struct{})})
		}
		j.preparation.Broadcast()
		j.mu.Unlock()
		if err != nil {
			return false
		}
	}
}

// prepare makes a segment, or uses a leftover of an earlier run again.
func (j *Journal) prepare(number uint32, leftover *segmentFile) (*segment, error) {
	if leftover != nil {
		if s, err := reuse(j.fs, leftover, j.options.Segment); err == nil {
			return s, nil
		}
		if err := j.fs.Remove(leftover.name); err != nil {
			return nil, err
		}
	}
	return create(j.fs, filepath.Join(j.dir, segmentName(number)), number, j.options.Segment)
}

// create makes a segment, which is on the disk with all its room when it returns.
func create(fs FS, name string, number uint32, size int64) (*segment, error) {
	f, err := fs.Create(name, size)
	if err != nil {
		return nil, err
	}
	if err = f.Sync(); err == nil {
		err = fs.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		f.Close()
		_ = fs.Remove(name) // the first error says more
		return nil, err
	}
	return &segment{number: number, name: name, file: f, size: size}, nil
}

// leaveBad rolls if nothing more can be written to the segment, so that whoever writes
// everything again begins in another one.
func (j *Journal) leaveBad() {
	if j.segment.bad {
		_ = j.roll(0) // Append reports it
	}
}

// updateFullLocked decides whether there is no room for what makes the state grow: only
// the reserve is left, and no more can be had.
func (j *Journal) updateFullLocked() {
	was := j.full.Load()
	full := j.noRoom
	if !was {
		used := j.segment.end >= j.segment.size/4*3 || j.segment.bad
		full = j.noRoom && (len(j.prepared) == 0 || len(j.prepared) < wantPrepared && used)
	}
	if full == was {
		return
	}

	j.full.Store(full)
	if full {
		j.log.Error("journal: the disk is full: nothing more is accepted that needs room; "+
			"make room, and it goes on within a second", "dir", j.dir)
	} else {
		j.log.Info("journal: there is room on the disk again", "dir", j.dir)
	}
}

// reuse makes a prepared segment of an earlier run usable: it has to have zeros only.
func reuse(fs FS, s *segmentFile, size int64) (*segment, error) {
	f, err := fs.Open(s.name, true)
	if err != nil {
		return nil, err
	}
	if err := clear(f, s.size, size); err != nil {
		f.Close()
		return nil, err
	}
	return &segment{number: s.number, name: s.name, file: f, size: max(size, s.size)}, nil
}

// clear overwrites what is not zero in a file of some size, and makes it at least want
// long.
func clear(f File, size, want int64) error {
	buffer, zeros := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < size; at += int64(len(buffer)) {
		part := buffer[:min(size-at, int64(len(buffer)))]
		n, err := f.ReadAt(part, at)
		if n < len(part) {
			return err
		}
		if usedBytes(part) == 0 {
			continue
		}
		if _, err := f.WriteAt(zeros[:len(part)], at); err != nil {
			return err
		}
	}

	if size < want {
		if err := f.Resize(want); err != nil {
			return err
		}
	}
	return f.Sync()
}
