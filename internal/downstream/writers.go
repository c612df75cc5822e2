package downstream

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
)

// Writers runs what is kicked on as few goroutines as it takes: whoever has run one drain function goes on with the next that waits, and while one runs,
// which may take as long as a slow client does, another goroutine is ready for those behind it. So a slow one delays nobody, a thousand wakes in a row
// do not make a thousand goroutines whose stacks have to grow, and without work there is none. The zero value is ready.
type Writers struct {
	mu          sync.Mutex
	first, last *Kicks // those that wait
	ready       bool   // a goroutine is on its way to take the first; true whenever somebody waits
	run, help   func() // work and workLater, made once: a go statement with a receiver allocates
}

// Kicks is the Kick of a way out. It must not be copied once it is used.
type Kicks struct {
	writers *Writers
	stopped func() // called when drain has panicked, or returned after stop
	drain   func()
	state   atomic.Uint32
	next    *Kicks
}

// The states of Kicks.
const (
	calm    uint32 = iota
	waiting        // for a goroutine
	running
	again // running, and kicked since
	over
)

// Kick implements Out.
func (k *Kicks) Kick(drain func()) {
	for {
		switch k.state.Load() {
		case calm:
			if k.state.CompareAndSwap(calm, waiting) {
				k.drain = drain
				k.writers.push(k)
				return
			}
		case running:
			if k.state.CompareAndSwap(running, again) {
				return
			}
		default:
			return
		}
	}
}

// stop lets nothing be run any more, but for what runs now. It returns the state before.
func (k *Kicks) stop() uint32 { return k.state.Swap(over) }

// push lets k wait behind the others.
func (w *Writers) push(k *Kicks) {
	w.mu.Lock()
	if w.last == nil {
		w.first = k
	} else {
		w.last.next = k
	}
	w.last = k
	start := w.runner(false)
	w.mu.Unlock()
	if start != nil {
		go start()
	}
}

// runner returns what makes a goroutine ready, nil if one is.
func (w *Writers) runner(late bool) func() {
	if w.ready {
		return nil
	}
	w.ready = true
	if w.run == nil {
		w.run, w.help = w.work, w.workLater
	}
	if late {
		return w.help
	}
	return w.run
}

// pop returns the first that waits, or nil, and sees to the others.
func (w *Writers) pop(ready bool) *Kicks {
	w.mu.Lock()
	if ready {
		w.ready = false
	}
	k := w.first
	var start func()
	if k != nil {
		if w.first, k.next = k.next, nil; w.first == nil {
			w.last = nil
		} else {
			start = w.runner(true)
		}
	}
	w.mu.Unlock()
	if start != nil {
		go start()
	}
	return k
}

// turn is how many drain functions a goroutine runs before it lets others go first. Where processors are few, who sends would else wait for a whole
// fan-out; and what it sends meanwhile goes out with what waits, in one write.
const turn = 64

func (w *Writers) work() {
	n := 0
	for k := w.pop(true); k != nil; k = w.pop(false) {
		if k.state.CompareAndSwap(waiting, running) {
			k.run()
		}
		if n++; n%turn == 0 {
			runtime.Gosched()
		}
	}
	// A goroutine that is new runs in what is left of the time slice of the one that made it, and so on: with one processor and a message now and then
	// the runtime would see one slice that never ends, and take the processor away in the midst of writes. To yield ends it.
	runtime.Gosched()
}

// workLater is work for a goroutine that is there in case that the one at work is held up: the runtime would let it go before all others.
func (w *Writers) workLater() {
	runtime.Gosched()
	w.work()
}

// run runs drain. One that has been kicked meanwhile waits behind the others.
func (k *Kicks) run() {
	done := false
	defer func() {
		if done {
			return
		}
		if v := recover(); v != nil { // as net/http does for handlers
			slog.Error("mirage: writing to a client panicked", "panic", fmt.Sprint(v))
		}
		k.stopped()
	}()
	k.drain()
	done = true
	switch {
	case k.state.CompareAndSwap(running, calm):
	case k.state.CompareAndSwap(again, waiting):
		k.writers.push(k)
	default:
		k.stopped()
	}
}
