package identity_test

import (
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// dice is a source of random numbers for several goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func newDice(seed, stream uint64) *dice {
	return &dice{random: rand.New(rand.NewPCG(seed, stream))}
}

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// in returns true once in n times.
func (d *dice) in(n int) bool { return d.below(n) == 0 }

// upTo returns a random time from 0 to most.
func (d *dice) upTo(most time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.random.Int64N(int64(most) + 1))
}

func pick[T any](d *dice, all ...T) T { return all[d.below(len(all))] }

// step is the longest delay of a slow store, once before a step and once after it.
const step = 150 * time.Millisecond

// slow is a node's view of a slow store. Some time passes before and after each step, so
// that steps of other requests fit between any two steps of one request.
type slow struct {
	store.Store
	*dice
}

func (s *slow) pause() {
	if s.in(3) {
		time.Sleep(pick(s.dice, time.Microsecond, time.Millisecond, 20*time.Millisecond, s.upTo(step)))
	}
}

func (s *slow) Resolve(ctx context.Context, id string, a store.Asked, client string) (store.Standing, error) {
	s.pause()
	defer s.pause()
	return s.Store.Resolve(ctx, id, a, client)
}

func (s *slow) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	s.pause()
	defer s.pause()
	l, created, err := s.Store.Open(ctx, id, a, create, b)
	if err != nil {
		return nil, false, err
	}
	return &slowLog{l, s}, created, nil
}

func (s *slow) Move(ctx context.Context, from, to string, m store.Moving) ([]store.Left, error) {
	s.pause()
	defer s.pause()
	return s.Store.Move(ctx, from, to, m)
}

func (s *slow) End(ctx context.Context, id string, refuse time.Duration) (store.Ended, error) {
	s.pause()
	defer s.pause()
	return s.Store.End(ctx, id, refuse)
}

func (s *slow) Logs(ctx context.Context) iter.Seq2[store.Log, error] {
	return func(yield func(store.Log, error) bool) {
		for l, err := range s.Store.Logs(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			s.pause()
			if !yield(&slowLog{l, s}, nil) {
				return
			}
		}
	}
}

// slowLog is a log of a slow store.
type slowLog struct {
	store.Log
	s *slow
}

func (l *slowLog) Append(ctx context.Context, m *store.Message, reader string) (store.Position, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Append(ctx, m, reader)
}

func (l *slowLog) Attach(ctx context.Context, c store.Claim) (store.Attached, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Attach(ctx, c)
}

func (l *slowLog) Read(
	ctx context.Context, r store.LinkRef, after uint64, most int, dst []store.Entry,
) ([]store.Entry, store.Tail, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Read(ctx, r, after, most, dst)
}

func (l *slowLog) Ack(ctx context.Context, r store.LinkRef, p store.Position) error {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Ack(ctx, r, p)
}

func (l *slowLog) Detach(ctx context.Context, r store.LinkRef) (uint64, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Detach(ctx, r)
}

func (l *slowLog) Quit(ctx context.Context, r store.LinkRef) (bool, *store.Ended, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Quit(ctx, r)
}

func (l *slowLog) Renew(ctx context.Context) error {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Renew(ctx)
}

func (l *slowLog) Begin(
	ctx context.Context, r store.LinkRef, writer string, base, n uint64, lease time.Duration,
) (store.Turn, uint64, error) {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Begin(ctx, r, writer, base, n, lease)
}

func (l *slowLog) Commit(ctx context.Context, writer string, n uint64, handled bool) error {
	l.s.pause()
	defer l.s.pause()
	return l.Log.Commit(ctx, writer, n, handled)
}

// Watch delays wake-ups. One that is on its way when stop is called still arrives.
func (l *slowLog) Watch(wake func()) (stop func()) {
	return l.Log.Watch(func() {
		if l.s.in(2) {
			wake()
			return
		}
		time.AfterFunc(l.s.upTo(2*step), wake)
	})
}

// sooner is a store whose moves settle sooner.
type sooner struct {
	store.Store
	settle time.Duration
}

func (s sooner) Move(ctx context.Context, from, to string, m store.Moving) ([]store.Left, error) {
	m.Settle = s.settle
	return s.Store.Move(ctx, from, to, m)
}
