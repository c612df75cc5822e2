package session

import (
	"container/heap"
	"sync"
	"time"
)

// alarmClock runs all alarms of a Manager from one timer, which runs only while an alarm
// is set.
type alarmClock struct {
	mu      sync.Mutex
	start   time.Time // when the first alarm was set; the alarms' clock counts from here
	alarms  alarms
	timer   *time.Timer
	stopped bool
}

// An alarm calls ring when it is due, on the timer's goroutine. ring must not block, but
// may set the alarm again.
type alarm struct {
	ring  func()
	due   time.Duration // on the clock of its alarmClock
	index int           // in the heap, plus one; 0 while it is not set
}

// set makes the alarm ring after in, instead of at the time that was set before.
func (w *alarmClock) set(a *alarm, in time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setLocked(a, in)
}

// sooner is set, unless the alarm is due before that anyway.
func (w *alarmClock) sooner(a *alarm, in time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.index == 0 || a.due > time.Since(w.start)+min(in, forever) {
		w.setLocked(a, in)
	}
}

func (w *alarmClock) setLocked(a *alarm, in time.Duration) {
	if w.stopped {
		return
	}
	if w.start.IsZero() {
		w.start = time.Now()
	}

	a.due = time.Since(w.start) + min(in, forever)
	if a.index == 0 {
		heap.Push(&w.alarms, a)
	} else {
		heap.Fix(&w.alarms, a.index-1)
	}

	if a.index == 1 {
		w.armLocked()
	}
}

// cancel keeps the alarm from ringing. It does not wait for a ring that has begun.
func (w *alarmClock) cancel(a *alarm) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.index == 0 {
		return
	}
	heap.Remove(&w.alarms, a.index-1)
	if len(w.alarms) == 0 {
		w.timer.Stop()
	}
}

// stop cancels every alarm. From then on, none can be set.
func (w *alarmClock) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for _, a := range w.alarms {
		a.index = 0
	}
	w.alarms = nil
	if w.timer != nil {
		w.timer.Stop()
	}
}

// armLocked sets the timer for the first alarm.
func (w *alarmClock) armLocked() {
	d := max(0, w.alarms[0].due-time.Since(w.start))
	if w.timer == nil {
		w.timer = time.AfterFunc(d, w.fire)
		return
	}
	w.timer.Reset(d)
}

// fire rings the alarms that are due.
func (w *alarmClock) fire() {
	for {
		w.mu.Lock()
		if len(w.alarms) == 0 {
			w.mu.Unlock()
			return
		}

		a := w.alarms[0]
		if a.due > time.Since(w.start) {
			w.armLocked()
			w.mu.Unlock()
			return
		}

		heap.Pop(&w.alarms)
		w.mu.Unlock()
		a.ring()
	}
}

// alarms is a heap with the earliest alarm first.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].due < h[j].due }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *alarms) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.index = len(*h)
}

func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = 0
	return a
}
