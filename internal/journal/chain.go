package journal

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
)

// A segmentFile is a segment as it was found.
type segmentFile struct {
	number uint32
	name   string
	kind   headerKind
	header header
	state  state
	size   int64 // of the file

	// end is where the segment after it says that it ends, and -1 if none says so.
	end int64
}

// A chain is what a directory has of a journal.
type chain struct {
	segments []*segmentFile // from the oldest that counts to the last one
	blank    []*segmentFile // prepared, behind the last one
	stale    []*segmentFile // no longer part of the journal
	highest  uint32         // number of any file
	damage   *DamageError   // that was passed over
}

func (c *chain) last() *segmentFile { return c.segments[len(c.segments)-1] }

// readChain finds the segments that belong together. With repair it leaves out those that
// are missing or cannot be read.
func readChain(fs FS, dir string, repair bool) (*chain, error) {
	files, err := readHeaders(fs, dir)
	if err != nil {
		return nil, err
	}

	c := &chain{}
	var last *segmentFile
	for _, f := range files {
		c.highest = f.number
		switch f.kind {
		case headerVersion:
			return nil, &VersionError{File: f.name, Version: f.header.number}
		case headerValid:
			last = f
		}
	}

	if last != nil {
		if err := c.link(last, files, repair); err != nil {
			return nil, lostSuccessor(fs, last, files, err)
		}
	}
	return c, c.sort(files, last, repair)
}

// link follows the links from the last segment to the oldest one.
func (c *chain) link(last *segmentFile, files []*segmentFile, repair bool) error {
	oldest := max(last.state.oldest, 1)
	c.segments = []*segmentFile{last}
	for s := last; s.header.previous >= oldest; {
		p, damage := previous(s, last.header.id, files)
		if damage != nil {
			if !repair {
				return damage
			}
			c.damage = damage
			if p = before(s, oldest, last.header.id, files); p == nil {
				break
			}
		} else {
			p.end = s.header.end
		}
		c.segments = append(c.segments, p)
		s = p
	}
	slices.Reverse(c.segments)
	return nil
}

// previous returns the segment that comes before s according to its header.
func previous(s *segmentFile, id identity, files []*segmentFile) (*segmentFile, *DamageError) {
	number := s.header.previous
	damage := &DamageError{File: filepath.Join(filepath.Dir(s.name), segmentName(number))}
	damage.Reason = "the file is missing, and files before and after it are there"
	for _, f := range files {
		switch {
		case f.number != number:
		case f.kind == headerValid && f.header.id == id && number < s.number:
			return f, nil
		default:
			damage.Reason = "its header cannot be read, or it belongs to another journal"
		}
	}
	return nil, damage
}

// before returns the last segment before s that can be read, or nil.
func before(s *segmentFile, oldest uint32, id identity, files []*segmentFile) *segmentFile {
	for _, f := range slices.Backward(files) {
		if f.number < s.number && f.number >= oldest && f.kind == headerValid && f.header.id == id {
			return f
		}
	}
	return nil
}

// sort finds out what the other files are. One that cannot be read is ignored if the last
// segment does not need it.
func (c *chain) sort(files []*segmentFile, last *segmentFile, repair bool) error {
	for _, f := range files {
		switch {
		case slices.Contains(c.segments, f):
		case f.kind == headerBlank && (last == nil || f.number > last.number):
			c.blank = append(c.blank, f)
		case f.kind == headerBlank || f.kind == headerValid && f.header.id == last.header.id:
			c.stale = append(c.stale, f)
		case last == nil || f.number > last.number:
			c.damage = &DamageError{File: f.name, Reason: "its header cannot be read"}
			if !repair {
				return c.damage
			}
		}
	}
	return nil
}

// readHeaders reads the first page of each segment, in the order of their numbers.
func readHeaders(fs FS, dir string) ([]*segmentFile, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}

	slices.Sort(names)
	var files []*segmentFile
	for _, name := range names {
		number, ok := segmentNumber(name)
		if !ok {
			continue
		}
		f := &segmentFile{number: number, name: filepath.Join(dir, name), end: -1}
		if err := f.readHeader(fs); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (s *segmentFile) readHeader(fs FS) error {
	page := make([]byte, headerSize)
	n, size, err := readFile(fs, s.name, page)
	if err != nil {
		return err
	}

	s.size = size
	s.header, s.kind = parseHeader(page[:n])
	torn := int64(0) // as many bytes, and no more, are there if the write of the page was interrupted
	switch s.kind {
	case headerValid:
		var whole bool
		if s.state, whole = lastState(page[:n], s.header); !whole {
			torn = pageUsed
		}
		if s.header.number != s.number {
			s.kind = headerBad
		}
	case headerBad:
		torn = headerUsed - 1
	}
	if torn == 0 || usedBytes(page[:n]) > torn {
		return nil
	}

	data, err := s.read(fs, nil)
	if err == nil && usedBytes(data) <= torn {
		s.kind = headerBlank
	}
	return err
}

// read returns the content of the segment up to its end.
func (s *segmentFile) read(fs FS, buffer []byte) ([]byte, error) {
	size := s.size
	if s.end >= 0 {
		size = min(size, s.end)
	}
	if int64(cap(buffer)) < size {
		buffer = make([]byte, size)
	}
	n, _, err := readFile(fs, s.name, buffer[:size])
	return buffer[:n], err
}

// readFile reads the beginning of a file into b. It returns how much it read, which is
// less than b if the file is shorter, and the size of the file.
func readFile(fs FS, name string, b []byte) (int, int64, error) {
	f, err := fs.Open(name, false)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()

	size, err := f.Size()
	if err != nil {
		return 0, 0, err
	}
	n, err := f.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, size, err
}
