package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// counts waits until the page shows how many jobs are done and wait, and how many workers
// there are.
func (b *tab) counts(done, waiting, workers int) {
	b.t.Helper()
	b.until(fmt.Sprintf("%d done, %d waiting, %d workers", done, waiting, workers), fmt.Sprintf(
		`['done', 'waiting'].map(id => document.getElementById(id).textContent).join() === '%d,%d'
			&& document.querySelectorAll('#workers tr').length === %d
			&& document.getElementById('empty').hidden === %v`, done, waiting, workers, workers > 0))
}

// Jobs that are ordered on the page wait for a worker. When one comes, it does them, and
// the page shows both. The server may be started again meanwhile.
func TestJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startExample(t, "worker", "-dir", dir)
	b := openTab(t, startBrowser(t), "Ann", server.url)
	b.counts(0, 0, 0)
	b.submit("order")
	b.counts(0, 100, 0)
	b.looks("jobs-waiting")
	server.restart()

	state := filepath.Join(dir, "one.json")
	worker := exec.Command(server.bin, "-dir", dir, "-work", server.url+"/work", "-state", state)
	worker.Stderr = os.Stderr
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Process.Kill() })
	b.counts(100, 0, 1)
	b.looks("jobs-done")

	_ = worker.Process.Signal(syscall.SIGINT)
	if err := worker.Wait(); err != nil {
		t.Error(err)
	}
	b.counts(100, 0, 0) // after ten seconds
	server.stop()
}
