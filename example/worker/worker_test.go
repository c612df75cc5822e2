package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	soakJobs  = flag.Int("jobs", 1000, "TestWorkers gives out so many jobs")
	soakKills = flag.Int("kills", 6, "TestWorkers kills so many processes")
)

// Jobs are done while workers and the server are killed again and again. In the end each
// one is answered once. It was done once, or what was done later was marked.
func TestWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: starts and kills processes")
	}
	bin := filepath.Join(t.TempDir(), "worker")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, sessions := range []string{"disk", "redis", "memory"} {
		t.Run(sessions, func(t *testing.T) {
			t.Parallel()
			if sessions == "redis" {
				sessions = startRedis(t)
			}
			run(t, bin, sessions)
		})
	}
}

func run(t *testing.T, bin, sessions string) {
	seed := rand.Uint64()
	t.Log("seed ", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	began := time.Now()

	server := start(t, bin, filepath.Join(dir, "server.out"), "-addr", "127.0.0.1:0", "-dir", dir,
		"-sessions", sessions, "-lease", "2s", "-jobs", fmt.Sprint(*soakJobs))
	url := server.url()
	server.args[1] = strings.TrimPrefix(url, "http://") // where it starts again
	var workers []*process
	var states []string
	hire := func() *process {
		state := filepath.Join(dir, fmt.Sprint("worker-", len(states), ".json"))
		states = append(states, state)
		return start(t, bin, state+".out", "-dir", dir, "-work", url+"/work", "-state", state)
	}
	for range 4 {
		workers = append(workers, hire())
	}

	for kill := range *soakKills {
		goal := (kill + 1) * *soakJobs / (*soakKills + 1)
		eventually(t, fmt.Sprint(goal, " jobs are done"), func() bool { return len(answers(t, dir)) >= goal })
		one := random.IntN(len(workers))
		switch {
		case kill == 0: // this worker never comes back
			workers[one].kill()
			workers[one] = hire()
		case kill%2 == 1:
			server.kill()
			server.start()
		default:
			workers[one].kill()
			workers[one].start()
		}
	}
	eventually(t, "all jobs are done", func() bool { return len(answers(t, dir)) >= *soakJobs })
	took := time.Since(began)

	for _, p := range append(workers, server) {
		p.stop()
	}
	marked := check(t, dir, states)
	t.Logf("%d jobs, %d kills in %v; %d jobs were done again, marked", *soakJobs, *soakKills, took, marked)
}

// check compares what the server has recorded with what the workers have done.
func check(t *testing.T, dir string, states []string) (marked int) {
	t.Helper()
	answered := map[int]string{}
	for _, c := range answers(t, dir) {
		if _, twice := answered[c.Done]; twice {
			t.Errorf("job %d is answered twice", c.Done)
		}
		answered[c.Done] = c.Answer
	}

	did := map[int][]entry{}
	for _, state := range states {
		for _, e := range lines[entry](t, state+".log") {
			did[e.Job] = append(did[e.Job], e)
		}
	}
	for n := 1; n <= *soakJobs; n++ {
		if want := solve(fmt.Sprint("job ", n)); answered[n] != want {
			t.Errorf("the answer to job %d is %q, not %q", n, answered[n], want)
		}
		slices.SortFunc(did[n], func(a, b entry) int { return a.At.Compare(b.At) })
		if len(did[n]) == 0 {
			t.Errorf("job %d is answered, and nobody has done it", n)
			continue
		}
		for _, e := range did[n][1:] {
			marked++
			if !e.Again {
				t.Errorf("job %d was done again, and not marked: %+v", n, did[n])
			}
		}
	}
	return marked
}

// answers returns the lines of the server's file that record an answer.
func answers(t *testing.T, dir string) []change {
	t.Helper()
	return slices.DeleteFunc(lines[change](t, filepath.Join(dir, "jobs.log")), func(c change) bool { return c.Done == 0 })
}

// lines returns the complete lines of a file.
func lines[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var one T
		if !strings.HasSuffix(line, "\n") {
			break
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %q: %v", name, line, err)
		}
		all = append(all, one)
	}
	return all
}
