package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

var (
	errNoRoom    = errors.New("there is no room for another segment")
	errNoSegment = errors.New("a new segment cannot be written")
)

// roll begins a new segment, which has room for n bytes.
func (j *Journal) roll(n int64) error {
	var cause error
	for range wantPrepared {
		next := j.takePrepared()
		if next == nil {
			return errors.Join(errNoRoom, cause)
		}
		if cause = j.begin(next, n); cause == nil {
			return nil
		}

		// Whatever is wrong with this file, another one may do.
		next.file.Close()
		if err := j.fs.Remove(next.name); err != nil {
			cause = errors.Join(cause, err)
		}
	}
	j.rollAgain = time.Now().Add(retryRoom)
	return cause
}

// begin makes a prepared segment the one that is being written.
func (j *Journal) begin(next *segment, n int64) error {
	if size := headerSize + n + reserved; size > next.size {
		if err := next.file.Resize(size); err != nil {
			return err
		}
		next.size = size
	}

	j.mu.Lock()
	old, st := j.segment, j.stateLocked()
	h := header{number: next.number, id: j.id, boot: j.boot, lock: j.lock.Identity(), first: j.written,
		previous: old.number, end: old.end, size: next.size, commits: j.options.Sync < 0,
		oldest: st.oldest, durable: st.durable}
	j.mu.Unlock()
	if _, err := next.file.WriteAt(firstPage(h, st), 0); err != nil {
		return err
	}
	next.end = headerSize
	j.point(old, next.number)

	j.mu.Lock()
	j.segment = next
	j.segments = append(j.segments, next)
	if old.number == j.gapSegment {
		j.lost = append(j.lost, old)
	} else {
		j.unsynced = append(j.unsynced, old)
	}
	j.current.Store(next.number)
	j.mu.Unlock()
	return nil
}

// point writes after the end of a segment where the journal goes on, so that it is
// noticed if that segment's file is missing later. Nothing depends on it otherwise.
func (j *Journal) point(old *segment, next uint32) {
	payload := binary.LittleEndian.AppendUint32(nil, next)
	sum := crc32.Update(j.seed, castagnoli, payload)
	frame := appendFrame(nil, j.seed, kindNext, j.written, payload, sum)
	if !old.bad && old.end+int64(len(frame)) <= old.size {
		_, _ = old.file.WriteAt(frame, old.end)
	}
}

// takePrepared returns a prepared segment. It takes the last one, the reserve, only if it
// is known that there is no room for another; otherwise it waits for that.
func (j *Journal) takePrepared() *segment {
	j.mu.Lock()
	defer j.mu.Unlock()

	for len(j.prepared) < wantPrepared && !j.noRoom {
		j.preparation.Wait()
	}
	if len(j.prepared) == 0 {
		return nil
	}
	next := j.prepared[0]
	j.prepared = j.prepared[1:]
	j.updateFullLocked()
	j.prepareMore()
	return next
}
