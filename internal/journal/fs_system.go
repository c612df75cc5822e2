package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// systemFS is the file system of the operating system. Directories are for their owner
// alone (0700), and so are files (0600).
type systemFS struct{}

// MakeDir also makes durable that the directories are there, as far as it may.
func (s systemFS) MakeDir(dir string) error {
	dir = filepath.Clean(dir)
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := s.MakeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	_ = s.SyncDir(parent) // it may be somebody else's, and not readable
	return nil
}

func (systemFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}

	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (systemFS) Open(name string, write bool) (File, error) {
	flag := os.O_RDONLY
	if write {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(name, flag, 0)
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

func (systemFS) Create(name string, size int64) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}

	if err := allocate(f, 0, size); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return systemFile{f}, nil
}

func (systemFS) Remove(name string) error { return os.Remove(name) }

// SyncDir does nothing on Windows, which cannot fsync a directory and journals its
// changes.
func (systemFS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (systemFS) Lock(name string) (Lock, error) { return lockFile(name) }
func (systemFS) Boot() string                   { return bootIdentity() }

type systemFile struct{ *os.File }

func (f systemFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f systemFile) Resize(size int64) error {
	old, err := f.Size()
	switch {
	case err != nil:
		return err
	case size <= old:
		return f.Truncate(size)
	}

	if err := allocate(f.File, old, size); err != nil {
		return errors.Join(err, f.Truncate(old))
	}
	return nil
}

func (f systemFile) Sync() error { return syncData(f.File) }

// writeZeros writes zeros from one offset to another, so that their room is reserved.
func writeZeros(f *os.File, from, to int64) error {
	zeros := make([]byte, min(to-from, 1<<20))
	for from < to {
		n, err := f.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}
