package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrBehind means that a record has not been written, because there was no room or
	// the disk reported an error, or that it could not be fsynced. The journal is marked
	// as behind on the disk until Recovered.
	ErrBehind = errors.New("journal: a record could not be written; the journal is behind")

	// ErrClosed means that the journal has been closed.
	ErrClosed = errors.New("journal: closed")

	// ErrTooLarge means that a record has more than 1 GiB. It has not been written.
	ErrTooLarge = errors.New("journal: the record has more than 1 GiB")
)

// A LockedError means that another process uses the directory.
type LockedError struct {
	Dir string
	PID int // of the other process, or 0 if it is not known
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("journal: %s is in use by %s: stop it, or give each process a directory of its own", e.Dir, who)
}

// A DamageError means that a part of the journal cannot be read that was on the disk, so
// that records are missing between others.
type DamageError struct {
	File   string
	Offset int64
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("journal: %s is damaged at offset %d: %s. Restore a backup of the directory, "+
		"or set Repair to start without the records that cannot be read", e.File, e.Offset, e.Reason)
}

// A VersionError means that the journal has been written in a format that this program
// does not know.
type VersionError struct {
	File    string
	Version uint32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("journal: %s is in format %d, and this program reads format %d: "+
		"start the program that wrote it, or use another directory", e.File, e.Version, version)
}
