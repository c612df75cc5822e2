package journal

import "io"

// An FS is what a journal needs of a file system. Names are paths.
type FS interface {
	// MakeDir makes a directory and its parents where they are missing.
	MakeDir(dir string) error

	// List returns the names of the files in a directory, without their paths.
	List(dir string) ([]string, error)

	// Open opens a file that exists, for reading or also for writing.
	Open(name string, write bool) (File, error)

	// Create makes a file of zeros and reserves its room on the disk. If it fails, it
	// leaves no file. It is an error if the file exists.
	Create(name string, size int64) (File, error)

	// Remove removes a file.
	Remove(name string) error

	// SyncDir makes durable which files a directory has.
	SyncDir(dir string) error

	// Lock locks a file, which it makes if it is missing, until it is unlocked or the
	// process ends. If another process has locked it, Lock returns a *LockedError at
	// once.
	Lock(name string) (Lock, error)

	// Boot identifies the time since the operating system was started: what was written
	// to a file in the same boot has not been lost. It is empty if that is not known.
	Boot() string
}

// A File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	Size() (int64, error)

	// Resize cuts the file off, or makes it longer by zeros whose room is reserved.
	Resize(size int64) error

	// Sync makes the file's content and size durable.
	Sync() error
}

// A Lock is a locked file.
type Lock interface {
	// Identity is a number that a copy of the file does not have, and 0 if there is none.
	Identity() uint64

	Unlock() error
}
