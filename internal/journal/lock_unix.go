//go:build unix && !aix && !solaris

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile locks by flock, which ends with the process. Go opens files with O_CLOEXEC, so
// programs that the process starts do not inherit the lock.
func lockFile(name string) (Lock, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}

	switch err := flock(f); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		held := &LockedError{Dir: filepath.Dir(name), PID: readPID(f)}
		return nil, errors.Join(held, f.Close())
	case err != nil:
		return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}

	l := &systemLock{file: f}
	if info, err := f.Stat(); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			l.identity = uint64(stat.Ino)
		}
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

func flock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
