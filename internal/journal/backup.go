package journal

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// Backup copies the journal as it is now to another directory, which must have no
// journal. Whoever opens the copy is told that it does not continue: the original may
// have gone on. The journal may be used meanwhile, but DropBefore waits.
func (j *Journal) Backup(dir string) error {
	j.rewriting.Lock()
	defer j.rewriting.Unlock()

	if err := j.fs.MakeDir(dir); err != nil {
		return err
	}
	files, err := readHeaders(j.fs, dir)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return fmt.Errorf("journal: %s has a journal already: choose an empty directory for the backup", dir)
	}

	j.mu.Lock()
	if j.phase != phaseOpen {
		j.mu.Unlock()
		return ErrClosed
	}
	var segments []segment
	for _, s := range j.segments {
		segments = append(segments, segment{number: s.number, name: s.name, end: s.end})
	}
	st := j.stateLocked()
	st.behind, st.durable = true, j.written
	j.mu.Unlock()

	for i, s := range segments {
		last := i == len(segments)-1
		if err := j.copy(s, filepath.Join(dir, segmentName(s.number)), last, st); err != nil {
			return err
		}
	}
	return j.fs.SyncDir(dir)
}

// copy copies a segment. The last one gets the state.
func (j *Journal) copy(s segment, name string, last bool, st state) error {
	from, err := j.fs.Open(s.name, false)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := j.fs.Create(name, s.end)
	if err != nil {
		return err
	}

	if _, err = io.Copy(io.NewOffsetWriter(to, 0), io.NewSectionReader(from, 0, s.end)); err == nil && last {
		page := make([]byte, headerSize)
		if _, err = from.ReadAt(page, 0); err == nil {
			h, _ := parseHeader(page)
			h.size = s.end
			_, err = to.WriteAt(firstPage(h, st), 0)
		}
	}
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}
