package journal

import (
	"fmt"
	"path/filepath"
)

// checkSuccessor looks for the segment in which the last one says that the journal goes
// on. It has no header, or it would be the last one. It returns the damage if its file is
// missing, or if it has content, and how many bytes.
func checkSuccessor(fs FS, last *segmentFile, number uint32, files []*segmentFile) (*DamageError, int64, error) {
	damage := &DamageError{File: filepath.Join(filepath.Dir(last.name), segmentName(number))}
	damage.Reason = "the file is missing, and the file before it says that the journal goes on there"
	for _, f := range files {
		if f.number != number {
			continue
		}
		data, err := f.read(fs, nil)
		if err != nil {
			return nil, 0, fmt.Errorf("journal: %w", err)
		}
		used := usedBytes(data)
		if used == 0 {
			return nil, 0, nil
		}
		damage.Reason = "its header is missing"
		return damage, used, nil
	}
	return damage, 0, nil
}

// lostSuccessor returns the better reason if segments do not belong together: the one
// that was the last is missing. Otherwise it returns err.
func lostSuccessor(fs FS, last *segmentFile, files []*segmentFile, err error) error {
	data, readErr := last.read(fs, nil)
	if readErr != nil {
		return err
	}
	for at := int64(headerSize); at < int64(len(data)); {
		f, ok := parseFrame(data[at:], last.header.id.seed())
		if !ok {
			break
		}
		if f.kind == kindNext {
			if damage, _, _ := checkSuccessor(fs, last, successor(f.payload), files); damage != nil {
				return damage
			}
		}
		at += f.size()
	}
	return err
}
