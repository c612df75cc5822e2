package writers

import (
	"fmt"
	"log/slog"
	"sync/atomic"
)

// A Task is a function that runs on a Pool whenever it was scheduled, never twice at a
// time. It must not be copied once Init was called.
type Task struct {
	pool     *Pool
	finished func(stopped bool)
	f        func() // set with Queued
	state    atomic.Uint32
	next     *Task // in the pool's queue
}

// A State is that of a Task.
//
//	     Schedule          pool takes it
//	Idle --------> Queued --------------> Running ---returns---> Idle
//	                  ^                      | Schedule
//	                  |                      v
//	                  +------returns------ Rerun
//
// Stop and a panic lead from each state to Done, which is final.
type State uint32

// The states of a Task.
const (
	Idle   State = iota
	Queued       // in the pool's queue
	Running
	Rerun // running, and scheduled since
	Done  // nothing is started any more
)

// Init prepares the task, before its first Schedule. finished is called once if the task
// was stopped or panicked while it ran: after that run, on the pool's goroutine. stopped
// says that Stop had been called before.
func (t *Task) Init(pool *Pool, finished func(stopped bool)) { t.pool, t.finished = pool, finished }

// Schedule lets f run soon, on a goroutine of the pool. Scheduling a task that is queued
// changes nothing, and one that runs is run once more: what it ran first. Schedule never
// waits, and may be called from anywhere at any time.
func (t *Task) Schedule(f func()) {
	for {
		switch State(t.state.Load()) {
		case Idle:
			if t.move(Idle, Queued) {
				t.f = f
				t.pool.push(t)
				return
			}
		case Running:
			if t.move(Running, Rerun) {
				return
			}
		default:
			return
		}
	}
}

// Stop lets nothing start any more. What runs at the moment goes on. It returns the state
// before: Running or Rerun if finished is still to be called.
func (t *Task) Stop() (before State) { return State(t.state.Swap(uint32(Done))) }

// move changes the state, and reports whether it was from.
func (t *Task) move(from, to State) bool { return t.state.CompareAndSwap(uint32(from), uint32(to)) }

// run runs the function. A task that was scheduled meanwhile goes to the end of the
// queue.
func (t *Task) run() {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // as net/http does for handlers
			slog.Error("mirage: writing to a client panicked", "panic", fmt.Sprint(v))
		}
		t.finished(t.Stop() == Done)
	}()
	t.f()
	returned = true

	switch {
	case t.move(Running, Idle):
	case t.move(Rerun, Queued):
		t.pool.push(t)
	default:
		t.finished(true)
	}
}
