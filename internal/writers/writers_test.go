package writers_test

import (
	"errors"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/internal/writers"
)

// newTask returns a task, and a counter of the calls of finished.
func newTask(p *writers.Pool) (*writers.Task, *atomic.Int32) {
	task, finished := new(writers.Task), new(atomic.Int32)
	task.Init(p, func(bool) { finished.Add(1) })
	return task, finished
}

// L2: tasks that hang, any number of them and anywhere in the queue, do not delay others.
// When they return, no goroutine is left.
func TestL2SlowTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool writers.Pool
		hang := make(chan struct{})
		var hung, ran atomic.Int32
		tasks := make([]*writers.Task, 300)
		for i := range tasks {
			tasks[i], _ = newTask(&pool)
		}

		for i, task := range tasks {
			if i%3 == 0 {
				task.Schedule(func() { hung.Add(1); <-hang })
			} else {
				task.Schedule(func() { ran.Add(1) })
			}
		}
		synctest.Wait()
		if hung.Load() != 100 || ran.Load() != 200 {
			t.Errorf("%d hang, %d ran", hung.Load(), ran.Load())
		}

		for _, task := range tasks { // again, including those that hang
			task.Schedule(func() { ran.Add(1) })
		}
		synctest.Wait()
		if ran.Load() != 400 {
			t.Errorf("%d ran", ran.Load())
		}

		close(hang)
		synctest.Wait()
		if hung.Load() != 200 { // each runs its function once more
			t.Errorf("%d hung", hung.Load())
		}

		for _, task := range tasks {
			task.Stop()
		}
	})
}

// P1: a task that is scheduled several times before it begins runs once. If it is
// scheduled while it runs, it runs once more. After Stop it never runs.
func TestP1Schedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool writers.Pool
		task, finished := newTask(&pool)
		n := 0
		begin := make(chan struct{})
		var f func()
		f = func() {
			if n == 0 {
				<-begin
			}
			if n++; n < 5 {
				task.Schedule(f)
				task.Schedule(f)
			}
		}
		task.Schedule(f)
		synctest.Wait() // it runs, and waits: whatever is scheduled now is one more run
		task.Schedule(f)
		task.Schedule(f)
		close(begin)
		synctest.Wait()
		if n != 5 {
			t.Errorf("ran %d times", n)
		}
		task.Schedule(func() { n++; task.Stop(); task.Schedule(f); task.Stop() })
		synctest.Wait()
		task.Schedule(f)
		synctest.Wait()
		if n != 6 || finished.Load() != 1 {
			t.Errorf("ran %d times, finished %d times", n, finished.Load())
		}
	})
}

// P1: a task that panics never runs again, and does not affect the others.
func TestP1Panic(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	synctest.Test(t, func(t *testing.T) {
		var pool writers.Pool
		bad, finished := newTask(&pool)
		good, _ := newTask(&pool)
		ran := 0
		bad.Schedule(func() { panic(errors.New("no")) })
		good.Schedule(func() { ran++ })
		synctest.Wait()
		if ran != 1 || finished.Load() != 1 {
			t.Errorf("ran %d, finished %d", ran, finished.Load())
		}
		bad.Schedule(func() { t.Error("ran after a panic") })
		synctest.Wait()
		good.Stop()
	})
}

// P1: on one processor, a goroutine that is ready to run waits for a few tasks, not for
// the whole queue.
func TestP1Yield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var pool writers.Pool
	var ran, seen atomic.Int32
	tasks := make([]*writers.Task, 2000)
	for i := range tasks {
		tasks[i], _ = newTask(&pool)
		defer tasks[i].Stop()
	}
	done, yielded := make(chan struct{}), make(chan struct{})
	go func() { seen.Store(ran.Load()); close(yielded) }()
	for _, task := range tasks {
		task.Schedule(func() {
			if int(ran.Add(1)) == len(tasks) {
				close(done)
			}
		})
	}
	<-done
	<-yielded
	if int(seen.Load()) == len(tasks) {
		t.Error("the other goroutine did not run before all tasks had")
	}
}
