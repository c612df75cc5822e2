package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var all = flag.Bool("all", false, "TestWorkers takes minutes: 10 000 jobs, 20 kills, and sessions in Redis, too")

// Jobs are done while workers and the server are killed again and again. In the end each
// one is answered once. It was done once, or what was done later was marked.
func TestWorkers(t *testing.T) {
	bin := build(t)
	jobs, kills, stores := 1000, 6, []string{"disk", "memory"}
	if *all { // a killed server may have left a worker's turn in Redis, which lasts for 30 seconds
		jobs, kills, stores = 10_000, 20, append(stores, "redis")
	}
	for _, sessions := range stores {
		t.Run(sessions, func(t *testing.T) {
			t.Parallel()
			if sessions == "redis" {
				sessions = startRedis(t)
			}
			seed := rand.Uint64()
			t.Log("seed ", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			began := time.Now()
			c := newCrew(t, bin, 4, "-sessions", sessions, "-lease", "2s", "-jobs", fmt.Sprint(jobs))

			for kill := range kills {
				c.await((kill + 1) * jobs / (kills + 1))
				one := random.IntN(len(c.workers))
				switch {
				case kill == 0: // this worker never comes back
					c.workers[one].kill()
					c.workers[one] = c.hire()
				case kill%2 == 1:
					c.server.kill()
					c.server.start()
				default:
					c.workers[one].kill()
					c.workers[one].start()
				}
			}
			c.await(jobs)
			took := time.Since(began)
			marked, unmarked := c.check(jobs)
			if len(unmarked) > 0 {
				t.Errorf("jobs were done again, and not marked: %v", unmarked)
			}
			t.Logf("%d jobs, %d kills in %v; %d jobs were done again, marked", jobs, kills, took, marked)
		})
	}
}

// A crew is a server and its workers.
type crew struct {
	*testing.T
	bin, dir, url string
	server        *process
	workers       []*process
	states        []string // the files of all workers
}

// newCrew starts a server, with these flags, and n workers.
func newCrew(t *testing.T, bin string, n int, flags ...string) *crew {
	t.Helper()
	c := &crew{T: t, bin: bin, dir: t.TempDir()}
	c.server = start(t, bin, filepath.Join(c.dir, "server.out"),
		append([]string{"-addr", "127.0.0.1:0", "-dir", c.dir}, flags...)...)
	c.url = c.server.url()
	c.server.args[1] = strings.TrimPrefix(c.url, "http://") // where it starts again
	for range n {
		c.workers = append(c.workers, c.hire())
	}
	return c
}

// hire starts a worker that has never been here.
func (c *crew) hire() *process {
	c.Helper()
	state := filepath.Join(c.dir, fmt.Sprint("worker-", len(c.states), ".json"))
	c.states = append(c.states, state)
	return start(c.T, c.bin, state+".out", "-dir", c.dir, "-work", c.url+"/work", "-state", state)
}

// await waits until n jobs are done.
func (c *crew) await(n int) {
	c.Helper()
	eventually(c.T, fmt.Sprint(n, " jobs are done"), func() bool { return countDone(c.dir) >= n })
}

// check stops all, and compares what the server has recorded with what the workers have
// done. It returns how many jobs were done again and marked, and which were not marked.
func (c *crew) check(total int) (marked int, unmarked []int) {
	c.Helper()
	t := c.T
	for _, p := range c.workers {
		p.interrupt()
	}
	for _, p := range c.workers {
		p.ended()
	}
	c.server.interrupt()
	c.server.ended()

	answered := map[int]string{}
	for _, a := range answers(t, c.dir) {
		if _, twice := answered[a.Done]; twice {
			t.Errorf("job %d is answered twice", a.Done)
		}
		answered[a.Done] = a.Answer
	}

	did := map[int][]entry{}
	for _, state := range c.states {
		for _, e := range lines[entry](t, state+".log") {
			did[e.Job] = append(did[e.Job], e)
		}
	}
	for n := 1; n <= total; n++ {
		if !solves(fmt.Sprint("job ", n), answered[n]) {
			t.Errorf("the answer to job %d is %q", n, answered[n])
		}
		slices.SortFunc(did[n], func(a, b entry) int { return a.At.Compare(b.At) })
		if len(did[n]) == 0 {
			t.Errorf("job %d is answered, and nobody has done it", n)
			continue
		}
		for _, e := range did[n][1:] {
			if e.Again {
				marked++
			} else {
				unmarked = append(unmarked, n)
			}
		}
	}
	return marked, unmarked
}

// countDone returns how many jobs are done, in the server's file.
func countDone(dir string) int {
	text, _ := os.ReadFile(filepath.Join(dir, "jobs.log"))
	return bytes.Count(text, []byte(`{"done":`))
}

// answers returns the lines of the server's file that record an answer.
func answers(t *testing.T, dir string) []change {
	t.Helper()
	changes := lines[change](t, filepath.Join(dir, "jobs.log"))
	return slices.DeleteFunc(changes, func(c change) bool { return c.Done == 0 })
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
