//go:build unix

package main

import (
	"slices"
	"syscall"
	"testing"

	"github.com/mirage-go/mirage/client"
)

// A worker is stopped, as by a machine that is suspended, and its jobs go to another one.
// When it continues, it completes the job that it had begun, and begins none that is not
// its own any more.
func TestStopped(t *testing.T) {
	c := newCrew(t, build(t), 1, "-sessions", "disk", "-lease", "1s", "-jobs", "300")
	c.await(30)
	stopped := c.workers[0].cmd.Process
	if err := stopped.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	other := c.hire()
	c.await(300)
	other.interrupt()
	other.ended()
	if err := stopped.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}

	page, err := client.Dial(t.Context(), c.url+"/live", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close(t.Context())
	if err := page.Emit(t.Context(), "order", nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker has passed its old jobs", func() bool {
		return slices.ContainsFunc(lines[entry](t, c.states[0]+".log"), func(e entry) bool { return e.Job > 300 })
	})
	c.await(400)
	if marked, unmarked := c.check(400); marked+len(unmarked) > atOnce || len(unmarked) > 1 {
		t.Errorf("%d jobs were done again and marked, and jobs %v were not marked", marked, unmarked)
	}
}
