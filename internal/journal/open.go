package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
)

// Open locks the directory, which it makes if it is missing, and calls apply with each
// record, in the order in which they were appended. The slice is valid during the call.
// An error of apply ends Open, which returns it.
//
// It returns a *LockedError if another process has the directory, and a *DamageError or a
// *VersionError if the journal cannot be read.
func Open(dir string, o Options, apply func(record []byte) error) (*Journal, *Recovery, error) {
	o = o.complete()
	if err := o.FS.MakeDir(dir); err != nil {
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := waitLock(o.FS, dir, o.Wait)
	if err != nil {
		return nil, nil, err
	}

	j, r, err := open(dir, o, lock, apply)
	if err != nil {
		return nil, nil, errors.Join(err, lock.Unlock())
	}
	return j, r, nil
}

func open(dir string, o Options, lock Lock, apply func([]byte) error) (*Journal, *Recovery, error) {
	c, err := readChain(o.FS, dir, o.Repair)
	if err != nil {
		return nil, nil, err
	}
	r := &recovery{fs: o.FS, log: o.Logger, repair: o.Repair, boot: shortBoot(o.FS), lock: lock.Identity(),
		chain: c, apply: apply}
	if err := r.run(); err != nil {
		return nil, nil, err
	}

	j := newJournal(dir, o, lock, r)
	if err := j.beginRun(r); err != nil {
		return nil, nil, fmt.Errorf("journal: no new segment can be begun in %s: "+
			"make room on the disk, and allow this process to write there: %w", dir, err)
	}
	j.running.Go(j.runWriter)
	j.running.Go(j.runSync)
	j.running.Go(j.runPreparer)
	return j, &r.Recovery, nil
}

// shortBoot returns as much of the boot's identity as a header has room for.
func shortBoot(fs FS) string {
	boot := fs.Boot()
	return boot[:min(len(boot), 40)]
}

func newJournal(dir string, o Options, lock Lock, r *recovery) *Journal {
	j := &Journal{options: o, dir: dir, fs: o.FS, log: o.Logger, lock: lock, boot: r.boot,
		wake: make(chan struct{}, 1), kick: make(chan struct{}, 1), quit: make(chan struct{}),
		pending: &batch{}, next: r.next, written: r.next, failed: r.passed, oldestNeeded: 1}
	for _, c := range []**sync.Cond{&j.taken, &j.idle, &j.preparation, &j.synced} {
		*c = sync.NewCond(&j.mu)
	}
	j.behind.Store(!r.Continues)
	if r.Found {
		j.id = r.head.header.id
		j.stateVersion = r.head.state.version
		j.oldestNeeded = r.chain.segments[0].number
	} else {
		_, _ = rand.Read(j.id[:]) // it never fails
	}
	j.seed = j.id.seed()
	return j
}

// beginRun makes durable what was found, begins a segment and removes what is no longer
// part of the journal.
func (j *Journal) beginRun(r *recovery) error {
	if err := j.syncFound(r); err != nil {
		return err
	}
	j.durable = r.next

	first, err := j.firstSegment(r)
	if err != nil {
		return err
	}
	if err = j.link(first, r); err == nil {
		err = j.tidy(r)
	}
	if err != nil {
		return errors.Join(err, first.file.Close())
	}

	j.segment, j.segments = first, append(j.segments, first)
	j.current.Store(first.number)
	j.oldest.Store(j.segments[0].number)
	return nil
}

// syncFound makes durable what a killed process left to the operating system.
func (j *Journal) syncFound(r *recovery) error {
	for i, s := range r.chain.segments {
		if i+1 < len(r.chain.segments) && r.chain.segments[i+1].header.first <= r.head.state.durable {
			continue
		}
		f, err := j.fs.Open(s.name, true)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// firstSegment prepares a segment whose number is above that of all others. If it can, it
// takes one that the last run has prepared: the disk may be full.
func (j *Journal) firstSegment(r *recovery) (*segment, error) {
	above, c := r.passed, r.chain
	for _, s := range append(c.segments, c.stale...) {
		above = max(above, s.number)
	}
	j.nextNumber = c.highest + 1
	for _, s := range c.blank {
		switch {
		case r.Cut != nil && r.Cut.File == s.name:
			above = s.number // it has what was cut off, and stays until the next start
		case s.number > above:
			j.leftovers = append(j.leftovers, s)
		default:
			c.stale = append(c.stale, s)
		}
	}

	var leftover *segmentFile
	if len(j.leftovers) > 0 {
		leftover, j.leftovers = j.leftovers[0], j.leftovers[1:]
	}
	s, err := j.prepare(j.nextNumber, leftover)
	if err == nil {
		j.nextNumber = max(j.nextNumber, s.number+1)
	}
	return s, err
}

// link writes the header of the run's first segment.
func (j *Journal) link(first *segment, r *recovery) error {
	st := j.stateLocked()
	h := header{number: first.number, id: j.id, boot: j.boot, lock: j.lock.Identity(), first: j.next,
		size: first.size, commits: j.options.Sync < 0, oldest: st.oldest, durable: st.durable}
	for i, s := range r.chain.segments {
		end := r.end
		if i+1 < len(r.chain.segments) {
			end = s.end
		}
		h.previous, h.end = s.number, end
		j.segments = append(j.segments, &segment{number: s.number, name: s.name, end: max(end, headerSize)})
	}

	if _, err := first.file.WriteAt(firstPage(h, st), 0); err != nil {
		return err
	}
	first.end = headerSize
	return first.file.Sync()
}

// tidy removes the files that are no longer part of the journal, and cuts the room off
// that the last segment did not use. What cannot be read stays, for those who want to
// examine it.
func (j *Journal) tidy(r *recovery) error {
	for _, s := range r.chain.stale {
		if err := j.fs.Remove(s.name); err != nil {
			return err
		}
	}
	if r.Found && r.Cut == nil {
		last := r.chain.last()
		f, err := j.fs.Open(last.name, true)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Resize(r.end), f.Close()); err != nil {
			return err
		}
	}
	return j.fs.SyncDir(filepath.Clean(j.dir))
}
