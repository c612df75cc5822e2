package journal

import (
	"errors"
	"os"
	"syscall"
)

// allocate makes f longer by zeros and reserves their room. File systems that cannot do
// so get the zeros written.
func allocate(f *os.File, from, to int64) error {
	err := retry(f, func(fd int) error { return syscall.Fallocate(fd, 0, from, to-from) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return writeZeros(f, from, to)
	}
	return os.NewSyscallError("fallocate", err)
}

// syncData makes durable what is needed to read the content: not the times of the file.
func syncData(f *os.File) error { return os.NewSyscallError("fdatasync", retry(f, syscall.Fdatasync)) }

// retry calls a system call until no signal interrupts it.
func retry(f *os.File, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}

	var result error
	err = conn.Control(func(fd uintptr) {
		for {
			if result = call(int(fd)); !errors.Is(result, syscall.EINTR) {
				return
			}
		}
	})
	return errors.Join(err, result)
}
