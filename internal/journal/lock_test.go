package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/journal"
)

// asProcess is the variable that makes this test binary use the journal in a directory.
const asProcess = "JOURNAL_TEST_DIR"

// runProcess opens the journal, appends records that it also prints, and waits for its
// standard input to end. It then closes the journal.
func runProcess(dir string) int {
	o := journal.Options{Logger: quiet, Wait: 20 * time.Second}
	j, _, err := journal.Open(dir, o, func([]byte) error { return nil })
	if err != nil {
		fmt.Println(err)
		return 1
	}
	stop := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(stop)
	}()
	for n := 0; ; n++ {
		if _, err := j.Append([]byte(kibibyte(n))); err != nil {
			return 1
		}
		if n == 0 || n == 3000 {
			fmt.Println(n)
		}
		if n == 5000 {
			<-stop
		}
		select {
		case <-stop:
			if j.Close() != nil {
				return 1
			}
			return 0
		default:
		}
	}
}

func startProcess(t *testing.T, dir string) (*exec.Cmd, *bufio.Scanner, func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asProcess+"="+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, bufio.NewScanner(out), func() { in.Close() }
}

// A second process waits for the directory until the first one is closed, or killed. A
// killed process loses nothing that was appended.
func TestTwoProcesses(t *testing.T) {
	for _, end := range []string{"close", "kill"} {
		t.Run(end, func(t *testing.T) {
			dir := t.TempDir()
			first, said, stop := startProcess(t, dir)
			if !said.Scan() || said.Text() != "0" {
				t.Fatalf("the first process: %q", said.Text())
			}

			_, _, err := journal.Open(dir, journal.Options{Wait: -1, Logger: quiet}, nil)
			locked, ok := errors.AsType[*journal.LockedError](err)
			if !ok || locked.PID != first.Process.Pid || !strings.Contains(err.Error(), fmt.Sprint(first.Process.Pid)) {
				t.Fatalf("want that process %d has it: %v", first.Process.Pid, err)
			}
			if !said.Scan() || said.Text() != "3000" {
				t.Fatalf("the first process: %q", said.Text())
			}

			_, waiting, stopSecond := startProcess(t, dir)
			if end == "close" {
				stop()
			} else if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = first.Wait()
			if !waiting.Scan() || waiting.Text() != "0" {
				t.Fatalf("the second process: %q", waiting.Text())
			}
			stopSecond()
			for waiting.Scan() {
			}

			_, r, got := open(t, dir, journal.Options{Logger: quiet})
			if len(got) < 3002 || !r.Clean {
				t.Errorf("%d records, %+v", len(got), r)
			}
			for n, record := range got[:3001] {
				if record != kibibyte(n) {
					t.Fatalf("record %d is %q", n, record)
				}
			}
		})
	}
}

// The directory and its files are for their owner alone.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has other permissions")
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	j, _, _ := open(t, dir, journal.Options{Segment: 1, Logger: quiet})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

// A directory that was copied, with any tool, does not continue: the original may have
// gone on.
func TestCopiedDirectory(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := open(t, dir, journal.Options{Segment: 1, Logger: quiet})
	add(t, j, "record")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	o := journal.Options{Segment: 1, Logger: quiet}
	if _, r, got := open(t, copied, o); len(got) != 1 || r.Continues || !r.Clean {
		t.Errorf("the copy: %q, %+v", got, r)
	}
	if _, r, _ := open(t, dir, o); !r.Continues {
		t.Errorf("the original: %+v", r)
	}
}
