package writers

import (
	"fmt"
	"log/slog"
	"sync/atomic"
)

// A Task is a function that runs on a Pool when it is scheduled. Its runs never overlap.
// A Task must not be copied after Init.
type Task struct {
	pool     *Pool
	finished func(stopped bool)
	f        func() // set with Queued
	state    atomic.Uint32
	next     *Task // in the pool's queue
}

// A State is the state of a Task.
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
	Rerun // running, and scheduled again
	Done  // never runs again
)

// Init prepares the task. It must be called before the first Schedule. finished is called
// once if the task was stopped or panicked while it ran: after that run, on the pool's
// goroutine. stopped reports whether Stop was called before.
func (t *Task) Init(pool *Pool, finished func(stopped bool)) { t.pool, t.finished = pool, finished }

// Schedule runs f soon, on a goroutine of the pool. If the task is already queued,
// Schedule does nothing. If the task is running, it runs once more, with the function
// that it runs now. Schedule never blocks, and may be called at any time from any
// goroutine.
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

// Stop prevents further runs. A current run continues. Stop returns the previous state:
// if it is Running or Rerun, finished will be called.
func (t *Task) Stop() (before State) { return State(t.state.Swap(uint32(Done))) }

// move changes the state from from to to, and reports whether it was from.
func (t *Task) move(from, to State) bool { return t.state.CompareAndSwap(uint32(from), uint32(to)) }

// run runs the function once. If the task was scheduled meanwhile, it goes to the end of
// the queue.
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
