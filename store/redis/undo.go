package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// insists are the goroutines that repeat steps after their callers have given up. Such a
// step may have taken a turn or a link that nobody uses. There are at most insistMax
// goroutines, each for at most insistFor. Beyond that, the leases end what was taken.
type insists struct {
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	n      int
}

const (
	insistMax = 1024
	insistFor = 30 * time.Second
)

func (i *insists) init() { i.ctx, i.cancel = context.WithCancel(context.Background()) }

func (i *insists) close() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.cancel()
	i.done.Wait()
}

// start runs f on a goroutine, with a context that ends with close. It reports whether it
// did: not after close, nor beyond max goroutines, if that is above zero.
func (i *insists) start(max int, f func(context.Context)) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || max > 0 && i.n >= max {
		return false
	}
	i.n++
	i.done.Go(func() {
		f(i.ctx)
		i.mu.Lock()
		i.n--
		i.mu.Unlock()
	})
	return true
}

// insist repeats a step under its number, without its caller, until its outcome is known.
func (l *log) insist(name, op string, args ...string) {
	if l.s.cut != nil {
		return
	}
	l.s.insists.start(insistMax, func(closing context.Context) {
		ctx, cancel := context.WithTimeout(closing, insistFor)
		defer cancel()
		for err := error(store.ErrUncertain); errors.Is(err, store.ErrUncertain) && ctx.Err() == nil; {
			_, err = l.s.repeat(ctx, l.shard, name, op, 1, append([]string{l.hex}, args...))
		}
	})
}

// take runs a step that gives something to its caller alone. If the outcome is unknown,
// that is given back: Redis then acts as if the step had not been asked for.
func (l *log) take(ctx context.Context, name, of string, args ...string) (a answer, op string, err error) {
	op = newOp()
	a, err = l.s.repeat(ctx, l.shard, name, op, 0, append([]string{l.place}, args...))
	if errors.Is(err, store.ErrUncertain) {
		l.insist("undo", newOp(), name, op, of)
	}
	return a, op, err
}

// turnName identifies a turn that this log was given.
type turnName struct {
	writer string
	n      uint64
}
