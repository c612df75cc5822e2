package journal

import "time"

// releaseLocked ends the turn of the one who writes. What has come in meanwhile is left
// to the writer's goroutine.
func (j *Journal) releaseLocked() {
	if len(j.pending.buf) > 0 || len(j.orders) > 0 {
		j.wake <- struct{}{} // has room: only the one who writes sends
		return
	}
	j.writing = false
	j.idle.Broadcast()
}

// runWriter writes what was appended while others wrote, and runs orders.
func (j *Journal) runWriter() {
	for {
		select {
		case <-j.wake:
		case <-j.quit:
			return
		}

		j.mu.Lock()
		for len(j.pending.buf) > 0 || len(j.orders) > 0 {
			orders := j.orders
			j.orders = nil
			for _, o := range orders {
				j.mu.Unlock()
				o.run()
				close(o.done)
				j.mu.Lock()
			}
			if len(j.pending.buf) == 0 {
				continue
			}

			b := j.takeLocked()
			j.mu.Unlock()
			end, err := j.write(b)
			j.mu.Lock()
			j.finishLocked(b, end, err)
		}
		j.writing = false
		j.idle.Broadcast()
		j.mu.Unlock()
	}
}

// exclusively runs a function while nobody writes, and waits for it. The function is
// called without the lock. It is not called if the journal is closed.
func (j *Journal) exclusively(run func()) error {
	o := order{run, make(chan struct{})}
	j.mu.Lock()
	if j.phase != phaseOpen {
		j.mu.Unlock()
		return ErrClosed
	}
	j.orderLocked(o)
	j.mu.Unlock()
	<-o.done
	return nil
}

func (j *Journal) orderLocked(o order) {
	j.orders = append(j.orders, o)
	if !j.writing {
		j.writing = true
		j.wake <- struct{}{}
	}
}

// write writes a batch and returns the offset after it. It is called by the one who
// writes, as are the other functions of this file and those of roll.go.
func (j *Journal) write(b *batch) (int64, error) {
	n := int64(len(b.buf))
	cause := errNoSegment
	for range 2 {
		if !j.segment.room(n) {
			if time.Now().Before(j.rollAgain) {
				break
			}
			if err := j.roll(n); err != nil {
				cause = err
				break
			}
		}
		s := j.segment
		if _, err := s.file.WriteAt(b.buf, s.end); err != nil {
			// What is in this segment is still there. The batch may fit into another one.
			j.mu.Lock()
			s.bad = true
			j.mu.Unlock()
			cause = err
			continue
		}
		return s.end + n, nil
	}

	j.fallBehind(cause)
	return 0, ErrBehind
}

// fallBehind marks the journal as behind, on the disk as well.
func (j *Journal) fallBehind(cause error) {
	j.mu.Lock()
	first := j.behind.CompareAndSwap(false, true)
	again := j.failed < j.segment.number
	j.failed = j.segment.number
	j.segment.bad = true
	j.updateFullLocked()
	j.mu.Unlock()

	if first {
		j.log.Error("journal: a record could not be written and is missing until everything is rewritten, "+
			"which happens by itself; if the process ends before, clients are told of a loss: "+
			"make room on the disk, or replace it", "dir", j.dir, "error", cause)
	}
	if (first || again) && !j.writeState(true) {
		// A file that is too short tells the next start the same.
		_ = j.segment.file.Resize(j.segment.end)
	}
}

// writeState writes the state into the header of the segment. It reports whether that
// worked. It is tried again each second.
func (j *Journal) writeState(sync bool) bool {
	j.mu.Lock()
	s, st := j.segment, j.stateLocked()
	j.mu.Unlock()

	_, err := s.file.WriteAt(st.encode(j.seed), st.offset())
	if err == nil && sync {
		err = s.file.Sync()
	}
	return err == nil
}
