package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/needs"
)

// children returns the processes that the example has started, by a word of their command
// lines.
func (e *example) children(word string) (pids []int) {
	e.t.Helper()
	pid := e.cmd.Process.Pid
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		e.t.Fatal(err)
	}
	var text []byte
	for _, task := range tasks { // any of its threads may have started some
		more, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		text = append(text, more...)
	}
	for field := range strings.FieldsSeq(string(text)) {
		command, _ := os.ReadFile("/proc/" + field + "/cmdline")
		if child, err := strconv.Atoi(field); err == nil && strings.Contains(string(command), word) {
			pids = append(pids, child)
		}
	}
	return pids
}

// kill is kill -9.
func (e *example) kill(pid int) {
	e.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		e.t.Fatal(err)
	}
}

// complete waits until everything that was killed runs again.
func (e *example) complete() {
	e.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(e.children("")) < 3; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatal("a process that was killed does not come back")
		}
	}
}

// Two nodes and their Redis are killed, one after the other. The pages are on whatever
// node is there. Nothing is lost or repeated, and everybody stays present.
func TestNodes(t *testing.T) {
	t.Parallel()
	needs.Program(t, "redis-server")
	nodes := startExample(t, "nodes")
	ann := inRoom(t, nodes.url, "Ann", "lobby")
	bob := inRoom(t, nodes.url, "Bob", "lobby")
	var all []string
	talk := func(when string) {
		t.Helper()
		for _, b := range []*tab{ann, bob} {
			text := b.name + " " + when
			b.say(text)
			all = append(all, text)
			ann.sees(all...)
			bob.sees(all...)
		}
	}
	talk("at the beginning")

	for i, word := range []string{"rooms", "rooms", "redis-server"} {
		victims := nodes.children(word)
		nodes.kill(victims[i%len(victims)])
		talk(fmt.Sprintf("without %s %d", word, i))
		nodes.complete()
		talk(fmt.Sprintf("with %s %d again", word, i))
	}
	for _, b := range []*tab{ann, bob} {
		b.present("Ann", "Bob")
	}
	late := inRoom(t, nodes.url, "Cleo", "lobby")
	late.sees(all...)
	nodes.stop()
}
