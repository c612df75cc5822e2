package journal

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	lockName  = "lock"
	lockRetry = 20 * time.Millisecond
)

// waitLock locks the directory. It waits up to wait until another process releases it.
func waitLock(fs FS, dir string, wait time.Duration) (Lock, error) {
	deadline := time.Now().Add(wait)
	for {
		lock, err := fs.Lock(filepath.Join(dir, lockName))
		if _, held := errors.AsType[*LockedError](err); !held || !time.Now().Before(deadline) {
			return lock, err
		}
		time.Sleep(lockRetry)
	}
}

// systemLock is a locked file of the operating system. Its content is the process id.
type systemLock struct {
	file     *os.File
	identity uint64
}

func (l *systemLock) Identity() uint64 { return l.identity }
func (l *systemLock) Unlock() error    { return l.file.Close() }

func readPID(f *os.File) int {
	text := make([]byte, 20)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return 0
	}
	return pid
}

// writePID writes the process id over what the file has. It needs no room on a full disk
// once the file has as many bytes, so it never makes the file shorter first.
func writePID(f *os.File) error {
	text := make([]byte, 20)
	for i := range text {
		text[i] = ' '
	}
	copy(text, strconv.Itoa(os.Getpid()))
	text[len(text)-1] = '\n'
	_, err := f.WriteAt(text, 0)
	return err
}
