package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// jobs are all jobs of the application. What happens to them is in a file before anybody
// else learns of it, one line of JSON for each change, so that a killed server knows it
// when it starts again. (If it also has to survive a loss of power, call Sync after each
// write.)
//
// A job waits, is given to a worker, and is done:
//
//	waiting ──give──▶ given ──answer──▶ done
//	   ▲                └── overdue ──┐
//	   └──────────────────────────────┘
type jobs struct {
	lease time.Duration

	mu      sync.Mutex
	file    *os.File
	size    int64 // of the file, up to the last complete line
	all     []job // the job with the number n is all[n-1]
	waiting []int // their numbers, the next one first; some may be done
	given   map[int]bool
	done    int
}

// A job is one piece of work.
type job struct {
	times  int       // how often it was given to a worker
	worker string    // who has it, if it is given
	until  time.Time // when it goes to another one
	done   bool
}

// A task is a job as a worker gets it.
type task struct {
	Job   int       `json:"job"`
	Text  string    `json:"text"`
	Again bool      `json:"again"` // it was given out before, and may have been done
	Until time.Time `json:"until"` // when a worker must have begun it, or leave it to others
}

// A change is a line of the file: jobs are added, or one is given to a worker, or done.
type change struct {
	Add    int    `json:"add,omitempty"`
	Give   int    `json:"give,omitempty"`
	Done   int    `json:"done,omitempty"`
	Worker string `json:"worker,omitempty"`
	Answer string `json:"answer,omitempty"`
}

// openJobs reads the file, and creates it if there is none.
func openJobs(name string, lease time.Duration) (*jobs, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &jobs{lease: lease, file: file, given: map[int]bool{}}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF { // what follows the last newline is half a line: nobody has learned of it
			j.waiting = slices.DeleteFunc(j.waiting, func(n int) bool { return j.all[n-1].times > 0 })
			return j, file.Truncate(j.size)
		}
		var c change
		if err == nil {
			err = json.Unmarshal(line, &c)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, at byte %d: %w", name, j.size, err)
		}
		j.size += int64(len(line))
		j.apply(c)
	}
}

// writeLocked makes a change: first in the file, then here.
func (j *jobs) writeLocked(c change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	n, err := j.file.Write(append(line, '\n'))
	if err != nil {
		_ = j.file.Truncate(j.size) // half a line would spoil the next one
		return err
	}
	j.size += int64(n)
	j.apply(c)
	return nil
}

// apply makes a change that is in the file. A job that was given before a restart has its
// whole lease again.
func (j *jobs) apply(c change) {
	for range c.Add {
		j.all = append(j.all, job{})
		j.waiting = append(j.waiting, len(j.all))
	}
	if c.Give > 0 {
		one := &j.all[c.Give-1]
		one.times, one.worker, one.until = one.times+1, c.Worker, time.Now().Add(j.lease)
		j.given[c.Give] = true
	}
	if c.Done > 0 {
		j.all[c.Done-1].done = true
		delete(j.given, c.Done)
		j.done++
	}
}

// add adds n jobs.
func (j *jobs) add(n int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writeLocked(change{Add: n})
}

// give gives waiting jobs to a worker, until it has atOnce of them.
func (j *jobs) give(worker string) (tasks []task, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for has := j.countLocked(worker); has < atOnce && len(j.waiting) > 0; j.waiting = j.waiting[1:] {
		n := j.waiting[0]
		if j.all[n-1].done { // the answer came after all
			continue
		}
		if err := j.writeLocked(change{Give: n, Worker: worker}); err != nil {
			return tasks, err
		}
		has++
		tasks = append(tasks, task{
			Job: n, Text: fmt.Sprint("job ", n), Again: j.all[n-1].times > 1,
			Until: time.Now().Add(j.lease / 2), // the other half is for the work itself
		})
	}
	return tasks, nil
}

// answer records the answer to a job. Another answer to the same job changes nothing.
func (j *jobs) answer(n int, worker, answer string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n < 1 || n > len(j.all) {
		return fmt.Errorf("there is no job %d", n)
	}
	if j.all[n-1].done {
		return nil
	}
	return j.writeLocked(change{Done: n, Worker: worker, Answer: answer})
}

// takeBack lets jobs wait again whose lease is over. It returns who had them.
func (j *jobs) takeBack() (late map[string]bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	late = map[string]bool{}
	for n := range j.given {
		if one := j.all[n-1]; time.Now().After(one.until) {
			delete(j.given, n)
			j.waiting = slices.Insert(j.waiting, 0, n)
			late[one.worker] = true
		}
	}
	return late
}

// count returns how many jobs are done, given to workers, and waiting.
func (j *jobs) count() (done, given, waiting int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.done, len(j.given), len(j.all) - j.done - len(j.given)
}

// countOf returns how many jobs a worker has.
func (j *jobs) countOf(worker string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.countLocked(worker)
}

// countLocked returns how many jobs a worker has.
func (j *jobs) countLocked(worker string) (count int) {
	for n := range j.given {
		if j.all[n-1].worker == worker {
			count++
		}
	}
	return count
}
