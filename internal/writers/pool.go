package writers

import (
	"runtime"
	"sync"
)

// A Pool runs tasks. A goroutine that has run one continues with the next in the queue.
// While it runs a task, which may take as long as a slow client does, another goroutine
// stands by for the tasks in the queue. So a slow task does not delay others, and a
// thousand tasks scheduled in a row do not start a thousand goroutines whose stacks have
// to grow. Without work there is no goroutine. The zero value is ready to use.
type Pool struct {
	mu          sync.Mutex
	first, last *Task  // the queue
	standby     bool   // a goroutine is about to take the first task; true if the queue is not empty
	run, help   func() // work and workLater, made once: a go statement with a receiver allocates
}

// push appends t to the queue.
func (p *Pool) push(t *Task) {
	p.mu.Lock()
	if p.last == nil {
		p.first = t
	} else {
		p.last.next = t
	}
	p.last = t
	start := p.standbyLocked(false)
	p.mu.Unlock()

	if start != nil {
		go start()
	}
}

// pop removes and returns the first task, or nil, and makes sure that a goroutine stands
// by for the others. standby means that the caller was that goroutine until now.
func (p *Pool) pop(standby bool) *Task {
	p.mu.Lock()
	if standby {
		p.standby = false
	}
	t := p.first
	var start func()
	if t != nil {
		if p.first, t.next = t.next, nil; p.first == nil {
			p.last = nil
		} else {
			start = p.standbyLocked(true)
		}
	}
	p.mu.Unlock()

	if start != nil {
		go start()
	}
	return t
}

// standbyLocked returns the function of the goroutine to start, or nil if one stands by
// already.
func (p *Pool) standbyLocked(help bool) func() {
	if p.standby {
		return nil
	}
	p.standby = true
	if p.run == nil {
		p.run, p.help = p.work, p.workLater
	}
	if help {
		return p.help
	}
	return p.run
}

// yieldAfter is how many tasks a goroutine runs before it yields to others. With few
// processors a sender would otherwise wait for a whole fan-out. Messages that it sends
// meanwhile are written together with queued ones.
const yieldAfter = 64

// work runs tasks until the queue is empty.
func (p *Pool) work() {
	n := 0
	for t := p.pop(true); t != nil; t = p.pop(false) {
		if t.move(Queued, Running) {
			t.run()
		}
		if n++; n%yieldAfter == 0 {
			runtime.Gosched()
		}
	}
	// A new goroutine inherits the rest of the time slice of the one that started it.
	// With one processor and occasional messages, the runtime would see one slice that
	// never ends, and preempt in the middle of writes. Yielding ends the slice.
	runtime.Gosched()
}

// workLater is work for a goroutine that stands by in case the working one is blocked. It
// yields first, because the runtime would otherwise run it before all others.
func (p *Pool) workLater() {
	runtime.Gosched()
	p.work()
}
