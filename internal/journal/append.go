package journal

import "hash/crc32"

// maxBatch is how many bytes of several records are written at once.
const maxBatch = 256 << 10

// A batch is what is written at once: what concurrent calls append while another batch is
// being written.
type batch struct {
	first uint64 // sequence number of the first frame
	buf   []byte
	done  chan struct{} // closed when err is set. Nil if nobody waits for it
	err   error
}

// fits reports whether a frame of n bytes may be added.
func (b *batch) fits(n int, segment int64) bool {
	return len(b.buf) == 0 || len(b.buf)+n <= int(min(maxBatch, segment/8))
}

// Append writes a record. When it has returned, a killed process does not lose the
// record; Commit says when a power loss does not. Concurrent calls are ordered as they
// are granted. It does not keep record.
//
// If the record cannot be written, Append returns ErrBehind: the record is not in the
// journal, which is then marked as behind.
func (j *Journal) Append(record []byte) (Mark, error) {
	if len(record) > maxRecord {
		return 0, ErrTooLarge
	}
	sum := crc32.Update(j.seed, castagnoli, record)

	j.mu.Lock()
	for j.phase == phaseOpen && !j.pending.fits(len(record)+overhead, j.options.Segment) {
		j.taken.Wait()
	}
	if j.phase != phaseOpen {
		j.mu.Unlock()
		return 0, ErrClosed
	}
	b, mark := j.pending, Mark(j.next)
	if len(b.buf) == 0 {
		b.first = j.next
	}
	b.buf = appendFrame(b.buf, j.seed, kindRecord, j.next, record, sum)
	j.next++

	if j.writing {
		if b.done == nil {
			b.done = make(chan struct{})
		}
		j.mu.Unlock()
		<-b.done
		return mark, b.err
	}

	// Nobody is writing, so the record is alone in the batch.
	j.writing = true
	j.takeLocked()
	j.mu.Unlock()

	end, err := j.write(b)

	j.mu.Lock()
	j.finishLocked(b, end, err)
	j.releaseLocked()
	j.mu.Unlock()
	return mark, err
}

// takeLocked returns the pending batch and begins another one.
func (j *Journal) takeLocked() *batch {
	b := j.pending
	j.pending, j.spare = j.spare, nil
	if j.pending == nil {
		j.pending = &batch{}
	}
	j.taken.Broadcast()
	return b
}

// finishLocked tells those who wait for a batch that it is written up to the offset end
// of the segment, or not. What was appended after a batch that is not written is not
// written either: its frames would have no predecessor.
func (j *Journal) finishLocked(b *batch, end int64, err error) {
	if err != nil {
		j.next = b.first
		if len(j.pending.buf) > 0 {
			j.takeLocked().finish(err)
		}
	} else {
		j.segment.end = end
		j.written = j.nextAfterLocked()
		j.updateFullLocked()
	}

	// A batch that others hold cannot be used again, but its buffer can.
	buf := b.buf[:0]
	alone := b.done == nil
	b.finish(err)
	if cap(buf) > 2*maxBatch {
		return
	}
	if j.spare == nil {
		if !alone {
			b = &batch{}
		}
		*b = batch{buf: buf}
		j.spare = b
	}
}

func (b *batch) finish(err error) {
	b.err = err
	if b.done != nil {
		close(b.done)
	}
}

// nextAfterLocked returns the sequence number after what has been taken.
func (j *Journal) nextAfterLocked() uint64 {
	if len(j.pending.buf) > 0 {
		return j.pending.first
	}
	return j.next
}
