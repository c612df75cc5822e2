package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// errSharing is ERROR_SHARING_VIOLATION.
const errSharing = syscall.Errno(32)

// lockFile opens the file so that nobody else can open it for writing until the process
// ends. Others may read its content.
func lockFile(name string) (Lock, error) {
	path, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}

	handle, err := syscall.CreateFile(path, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ,
		nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	switch {
	case errors.Is(err, errSharing):
		held := &LockedError{Dir: filepath.Dir(name)}
		if f, err := os.Open(name); err == nil {
			held.PID = readPID(f)
			f.Close()
		}
		return nil, held
	case err != nil:
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}

	f := os.NewFile(uintptr(handle), name)
	l := &systemLock{file: f}
	var info syscall.ByHandleFileInformation
	if err := syscall.GetFileInformationByHandle(handle, &info); err == nil {
		l.identity = uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)
	}
	if err := writePID(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}
