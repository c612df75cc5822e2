package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/mirage-go/mirage/internal/journal"
)

// A Call is a call of a file system or file. Op is the method's name in lower case.
type Call struct {
	Op     string
	Name   string
	Offset int64
	Bytes  int
}

// A ShortWrite is an error for Disk.Fail: a write writes N bytes and then fails with Err.
type ShortWrite struct {
	N   int
	Err error
}

func (s *ShortWrite) Error() string { return s.Err.Error() }
func (s *ShortWrite) Unwrap() error { return s.Err }

// FS is a disk as a process sees it. It implements journal.FS.
type FS struct {
	disk    *Disk
	process int
}

var _ journal.FS = (*FS)(nil)

// Killed reports whether the process has been killed.
func (f *FS) Killed() bool {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.process != f.disk.process
}

// do runs a call on the disk. Effect gets nil, or the error with which the call is to
// fail.
func (f *FS) do(c Call, effect func(fault error) error) error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()

	if f.process != d.process {
		return ErrKilled
	}
	d.calls++
	if d.calls == d.stopAt {
		n := 0
		if c.Bytes > 0 {
			n = d.random.IntN(c.Bytes + 1)
		}
		_ = effect(&ShortWrite{n, ErrKilled})
		d.killLocked()
		return ErrKilled
	}

	var fault error
	if d.fail != nil {
		fault = d.fail(c)
	}
	if err := effect(fault); err != nil {
		return &fs.PathError{Op: c.Op, Path: c.Name, Err: err}
	}
	return nil
}

// MakeDir makes a directory. It is durable at once.
func (f *FS) MakeDir(dir string) error {
	return f.do(Call{Op: "makedir", Name: dir}, func(fault error) error {
		if fault == nil {
			f.disk.dirs[clean(dir)] = true
		}
		return fault
	})
}

// List returns the names of the files in a directory.
func (f *FS) List(dir string) (names []string, err error) {
	err = f.do(Call{Op: "list", Name: dir}, func(fault error) error {
		if fault == nil && !f.disk.dirs[clean(dir)] {
			return os.ErrNotExist
		}
		for _, name := range slices.Sorted(maps.Keys(f.disk.entries)) {
			if path.Dir(name) == clean(dir) {
				names = append(names, path.Base(name))
			}
		}
		return fault
	})
	return names, err
}

// Open opens a file.
func (f *FS) Open(name string, write bool) (journal.File, error) {
	var n *node
	err := f.do(Call{Op: "open", Name: name}, func(fault error) error {
		if n = f.disk.entries[clean(name)]; n == nil && fault == nil {
			return os.ErrNotExist
		}
		return fault
	})
	if err != nil {
		return nil, err
	}
	return &file{f, name, n, write}, nil
}

// Create makes a file of zeros. It fails with ENOSPC if the quota does not allow it.
func (f *FS) Create(name string, size int64) (journal.File, error) {
	n := &node{dirty: map[int]bool{}, lost: map[int]bool{}}
	err := f.do(Call{Op: "create", Name: name, Bytes: int(size)}, func(fault error) error {
		switch d := f.disk; {
		case fault != nil:
			return fault
		case d.entries[clean(name)] != nil:
			return os.ErrExist
		case !d.roomLocked(size):
			return syscall.ENOSPC
		default:
			n.resize(size)
			d.entries[clean(name)] = n
			return nil
		}
	})
	if err != nil {
		return nil, err
	}
	return &file{f, name, n, true}, nil
}

// Remove removes a file.
func (f *FS) Remove(name string) error {
	return f.do(Call{Op: "remove", Name: name}, func(fault error) error {
		if fault == nil && f.disk.entries[clean(name)] == nil {
			return os.ErrNotExist
		}
		if fault == nil {
			delete(f.disk.entries, clean(name))
		}
		return fault
	})
}

// SyncDir makes durable which files a directory has.
func (f *FS) SyncDir(dir string) error {
	return f.do(Call{Op: "syncdir", Name: dir}, func(fault error) error {
		if fault != nil {
			return fault
		}
		in := func(name string, _ *node) bool { return path.Dir(name) == clean(dir) }
		maps.DeleteFunc(f.disk.durable, in)
		for name, n := range f.disk.entries {
			if in(name, n) {
				f.disk.durable[name] = n
			}
		}
		return nil
	})
}

// Lock locks a name until the process is killed or unlocks it. All locks have the same
// identity.
func (f *FS) Lock(name string) (journal.Lock, error) {
	err := f.do(Call{Op: "lock", Name: name}, func(fault error) error {
		if fault == nil && f.disk.locked[clean(name)] {
			return &journal.LockedError{Dir: path.Dir(clean(name)), PID: f.process}
		}
		if fault == nil {
			f.disk.locked[clean(name)] = true
		}
		return fault
	})
	if err != nil {
		return nil, err
	}
	return &lock{f, clean(name)}, nil
}

// Boot names the time since the last power loss.
func (f *FS) Boot() string {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.disk.bootLocked()
}

type lock struct {
	fs   *FS
	name string
}

func (l *lock) Identity() uint64 { return 1 }

func (l *lock) Unlock() error {
	return l.fs.do(Call{Op: "unlock", Name: l.name}, func(fault error) error {
		if fault == nil {
			delete(l.fs.disk.locked, l.name)
		}
		return fault
	})
}

type file struct {
	fs    *FS
	name  string
	node  *node
	write bool
}

func (f *file) ReadAt(b []byte, off int64) (n int, err error) {
	err = f.fs.do(Call{Op: "readat", Name: f.name, Offset: off}, func(fault error) error {
		if fault == nil && off < int64(len(f.node.data)) {
			n = copy(b, f.node.data[off:])
		}
		return fault
	})
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *file) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.fs.do(Call{Op: "writeat", Name: f.name, Offset: off, Bytes: len(b)}, func(fault error) error {
		if !f.write {
			return errors.New("the file is open for reading")
		}
		n = len(b)
		if fault != nil {
			n = 0
			if short, ok := errors.AsType[*ShortWrite](fault); ok {
				n = short.N
			}
		}
		if !f.fs.disk.roomLocked(off + int64(n) - int64(len(f.node.data))) {
			n, fault = 0, syscall.ENOSPC
		}
		if n > 0 {
			f.node.write(b[:n], off)
		}
		return fault
	})
	return n, err
}

func (f *file) Size() (size int64, err error) {
	err = f.fs.do(Call{Op: "size", Name: f.name}, func(fault error) error {
		size = int64(len(f.node.data))
		return fault
	})
	return size, err
}

func (f *file) Resize(size int64) error {
	return f.fs.do(Call{Op: "resize", Name: f.name}, func(fault error) error {
		if fault != nil {
			return fault
		}
		if !f.fs.disk.roomLocked(size - int64(len(f.node.data))) {
			return syscall.ENOSPC
		}
		f.node.resize(size)
		return nil
	})
}

// Sync makes the content durable. If it is made to fail, what was not durable never will
// be, and the next call succeeds: that is what Linux does.
func (f *file) Sync() error {
	return f.fs.do(Call{Op: "sync", Name: f.name}, func(fault error) error {
		switch {
		case fault == nil:
			f.node.sync()
		case !errors.Is(fault, ErrKilled):
			f.node.syncFailed()
		}
		return fault
	})
}

func (f *file) Close() error {
	return f.fs.do(Call{Op: "close", Name: f.name}, func(fault error) error { return fault })
}
