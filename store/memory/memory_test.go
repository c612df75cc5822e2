package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

var bg = context.Background()

var roomy = store.Bounds{
	MaxMessages: 1000,
	MaxBytes:    1 << 20,
	Retention:   time.Minute,
	MaxLinks:    32,
	MaxReaders:  128,
	MaxWriters:  32,
}

// openMem makes the session id in s.
func openMem(t testing.TB, s *Store, id string, b store.Bounds) *memHandle {
	t.Helper()
	l, created, err := s.Open(bg, id, store.Asked{}, true, b)
	if err != nil || !created {
		t.Fatalf("Open(%q) = created %v, %v", id, created, err)
	}
	return l.(*memHandle)
}

func attachMem(t testing.TB, l store.Log, reader string) store.Attached {
	t.Helper()
	a, err := l.Attach(bg, store.Claim{Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sized returns a message whose Size is n.
func sized(n int) *store.Message {
	return &store.Message{Data: bytes.Repeat([]byte("x"), n-new(store.Message).Size())}
}

// D5: beyond the budget, new sessions and messages are refused. Ending a session gives
// back all that it counted.
func TestD5Budget(t *testing.T) {
	s := New(Options{Budget: 3*sessionCost + 500})
	a, b, c := openMem(t, s, "a", roomy), openMem(t, s, "b", roomy), openMem(t, s, "c", roomy)
	if _, _, err := s.Open(bg, "d", store.Asked{}, true, roomy); !errors.Is(err, store.ErrBudget) {
		t.Errorf("a session beyond the budget: %v, want ErrBudget", err)
	}

	for _, l := range []store.Log{a, b} {
		if _, err := l.Append(bg, sized(250), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Append(bg, sized(100), ""); !errors.Is(err, store.ErrFull) {
		t.Errorf("a message beyond the budget: %v, want ErrFull", err)
	}

	if _, err := s.End(bg, "a", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Append(bg, sized(250), ""); err != nil {
		t.Errorf("a message with room again: %v", err)
	}

	// The two are joined: b's message moves, and the cost of its session is given back.
	if _, err := s.Move(bg, "b", "c", store.Moving{}); err != nil {
		t.Fatal(err)
	}
	if got := s.used.Load(); got != sessionCost+500 {
		t.Errorf("%d bytes of the budget are used, want one session and 500", got)
	}

	if _, err := s.End(bg, "c", 0); err != nil {
		t.Fatal(err)
	}
	if left := s.Leftovers(); left != "" {
		t.Error(left)
	}
}

// D5: if the budget is full, entries that every reader has passed leave the log that
// needs the room, and are counted correctly.
func TestD5BudgetOfOneLog(t *testing.T) {
	s := New(Options{Budget: sessionCost + 300})
	l := openMem(t, s, "a", roomy)
	a := attachMem(t, l, "r")
	for seq := uint64(1); seq < 100; seq++ {
		p, err := l.Append(bg, sized(100), "")
		if err != nil || p.Seq != seq {
			t.Fatalf("Append = %v, %v", p, err)
		}
		if seq > 2 {
			if err := l.Ack(bg, a.Link, store.Position{Epoch: p.Epoch, Seq: seq - 2}); err != nil {
				t.Fatal(err)
			}
		}
		if used := s.used.Load(); used != sessionCost+100*int64(min(seq, 2)) {
			t.Fatalf("after %d: %d bytes are used", seq, used-sessionCost)
		}
	}
}

// D5: if the budget has no room, a log does not drop entries for a message that is
// refused anyway.
func TestD5BudgetDropsNothingInVain(t *testing.T) {
	s := New(Options{Budget: 2*sessionCost + 1000})
	other, b := openMem(t, s, "other", roomy), roomy
	b.Overflow = store.OverflowDropOldest
	l := openMem(t, s, "a", b)

	for range 4 {
		if _, err := other.Append(bg, sized(150), ""); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := l.Append(bg, sized(100), ""); err != nil {
			t.Fatal(err)
		}
	}

	// 100 bytes are free, and 300 belong to the log.
	if _, err := l.Append(bg, sized(500), ""); !errors.Is(err, store.ErrFull) {
		t.Fatalf("Append beyond the budget: %v, want ErrFull", err)
	}
	if _, err := l.Append(bg, sized(300), ""); err != nil {
		t.Fatalf("Append in place of two: %v", err)
	}

	ended, err := s.End(bg, "a", 0)
	if err != nil || len(ended.Messages) != 2 || ended.Messages[0].Seq != 3 {
		t.Errorf("the log kept %v, %v; want the third and the new one", ended.Messages, err)
	}
}

// D5: another session's message that turns out not to fit counts against the budget for a
// moment. A log that takes no more than it gives back is not affected.
func TestD5BudgetForAMoment(t *testing.T) {
	s, b := New(Options{Budget: 4 * sessionCost}), roomy
	b.Overflow, b.MaxMessages = store.OverflowDropOldest, 2
	l := openMem(t, s, "a", b)
	for range 2 {
		if _, err := l.Append(bg, sized(200), ""); err != nil {
			t.Fatal(err)
		}
	}
	s.used.Add(4 * sessionCost)
	for _, size := range []int{200, 100} {
		if _, err := l.Append(bg, sized(size), ""); err != nil {
			t.Errorf("Append of %d bytes in place of 200: %v", size, err)
		}
	}
	s.used.Add(-4 * sessionCost)
	ended, err := s.End(bg, "a", 0)
	if err != nil || len(ended.Messages) != 2 || s.used.Load() != 0 {
		t.Errorf("the log kept %d, %v; %d bytes are used", len(ended.Messages), err, s.used.Load())
	}
}

// P1: neither append and take nor a writer's turn allocate for each message.
func TestHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := openMem(t, New(Options{}), "a", roomy)
	a := attachMem(t, l, "r")
	stop := l.Watch(func() {})
	defer stop()
	m, dst := sized(200), make([]store.Entry, 0, 16)
	after, n := uint64(0), uint64(0)

	tests := map[string]func() error{
		"append, read, acknowledge": func() error {
			p, err := l.Append(bg, m, "")
			if err != nil {
				return err
			}
			got, _, err := l.Read(bg, a.Link, after, 1<<16, dst)
			if err != nil || len(got) != 1 || got[0].Seq != p.Seq {
				return fmt.Errorf("read %v, %v", got, err)
			}
			after = p.Seq
			return l.Ack(bg, a.Link, p)
		},
		"begin, commit": func() error {
			n++
			turn, _, err := l.Begin(bg, store.LinkRef{}, "w", 1, n, time.Second)
			if err != nil || turn != store.TurnDeliver {
				return fmt.Errorf("turn %v, %v", turn, err)
			}
			return l.Commit(bg, "w", n, true)
		},
	}

	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			if allocs := testing.AllocsPerRun(1000, func() {
				if err := f(); err != nil {
					t.Fatal(err)
				}
			}); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

// heapAlloc returns the bytes of live objects on the heap.
func heapAlloc() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// P1: an idle session with a reader, its link and a writer takes at most the bytes that
// it counts against the budget. It has neither goroutine nor timer.
func TestIdleSessionIsCheap(t *testing.T) {
	const n = 20_000
	s := New(Options{Budget: -1})
	goroutines, before := runtime.NumGoroutine(), heapAlloc()
	for i := range n {
		id, reader := fmt.Sprintf("%032x", i), fmt.Sprintf("reader-%016x", i)
		l := openMem(t, s, id, roomy)
		attachMem(t, l, reader)
		if _, _, err := l.Begin(bg, store.LinkRef{}, reader, 1, 1, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(bg, reader, 1, true); err != nil {
			t.Fatal(err)
		}
	}
	each := (heapAlloc() - before) / n
	t.Logf("%d bytes for each session", each)
	if each > sessionCost {
		t.Errorf("a session takes %d bytes, and counts as %d", each, sessionCost)
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines for %d sessions", got-goroutines, n)
	}
	runtime.KeepAlive(s)
}

// L4: 200 000 sessions, made and abandoned in every way, leave nothing behind.
func TestL4AbandonedSessionsLeaveNothing(t *testing.T) {
	const n = 200_000
	s := New(Options{Budget: -1})
	goroutines, before := runtime.NumGoroutine(), heapAlloc()
	b, m := roomy, sized(100)
	b.Retention = time.Nanosecond
	ended := 0

	sweep := func() {
		for {
			due, err := s.Expired(bg, 100)
			if err != nil {
				t.Fatal(err)
			}
			if ended += len(due.Ended); len(due.Ended) == 0 {
				return
			}
		}
	}

	for i := range n {
		id := fmt.Sprint("s", i)
		l := openMem(t, s, id, b)
		if i%2 == 0 {
			if _, err := l.Append(bg, m, ""); err != nil {
				t.Fatal(err)
			}
		}

		switch a := (store.Attached{}); i % 5 {
		case 0: // never attached to
		case 1:
			a = attachMem(t, l, "r")
			if _, err := l.Detach(bg, a.Link); err != nil {
				t.Fatal(err)
			}
		case 2:
			attachMem(t, l, "r")
			if _, over, err := l.Quit(bg, store.LinkRef{Reader: "r"}); err != nil || over == nil {
				t.Fatal(over, err)
			}
			ended++
		case 3:
			attachMem(t, l, "r")
			if _, err := s.End(bg, id, 0); err != nil {
				t.Fatal(err)
			}
			ended++
		case 4:
			a = attachMem(t, l, "r")
			if _, err := s.Move(bg, id, id+"+", store.Moving{Client: "client", Keep: time.Nanosecond}); err != nil {
				t.Fatal(err)
			}
			if _, err := l.Detach(bg, a.Link); err != nil {
				t.Fatal(err)
			}
		}

		if i%1000 == 0 {
			sweep()
		}
	}
	sweep()

	if ended != n {
		t.Errorf("%d sessions ended, %d were made", ended, n)
	}
	if left := s.Leftovers(); left != "" {
		t.Error(left)
	}
	if got := len(s.ids.states); got > 1000 {
		t.Errorf("%d ids are remembered, whose time is over", got)
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines are left", got-goroutines)
	}
	if left := int64(heapAlloc() - before); left > 1<<20 {
		t.Errorf("%d bytes are left of %d sessions", left, n)
	}
	runtime.KeepAlive(s)
}

// moved returns the error of a Move.
func moved(_ []store.Left, err error) error { return err }

// L4: an id that is moved again and again, by a client that never takes the new one,
// leaves nothing behind.
func TestL4RepeatedMovesLeaveNothing(t *testing.T) {
	long := store.Moving{Client: "c", Keep: time.Hour, Settle: time.Hour}
	moves := map[string]func(s *Store, i int) error{
		"from one id to many": func(s *Store, i int) error { return moved(s.Move(bg, "a", fmt.Sprint("b", i), long)) },
		"from one id to one":  func(s *Store, _ int) error { return moved(s.Move(bg, "a", "b", long)) },
		"to and fro": func(s *Store, i int) error {
			id := []string{"a", "b"}
			return moved(s.Move(bg, id[i%2], id[(i+1)%2], long))
		},
		"from many ids whose time is over": func(s *Store, i int) error {
			time.Sleep(fenceKept / 50)
			return moved(s.Move(bg, fmt.Sprint("a", i), "b", store.Moving{Client: "c", Keep: 1, Settle: 1}))
		},
	}

	for name, move := range moves {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{})
				for i := range 2000 {
					if err := move(s, i); err != nil {
						t.Fatal(err)
					}
				}
				if n := len(s.ids.states); n > 200 {
					t.Errorf("%d places are remembered", n)
				}
			})
		})
	}
}

// D5: a log takes no more memory than it may hold, however long it is used: entries that
// have left are not kept in memory.
func TestD5LogLetsGo(t *testing.T) {
	l := openMem(t, New(Options{}), "a", roomy)
	a := attachMem(t, l, "r")
	before := heapAlloc()
	for range 20 {
		var p store.Position
		for range 500 {
			var err error
			if p, err = l.Append(bg, &store.Message{Data: make([]byte, 1000)}, ""); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Ack(bg, a.Link, p); err != nil {
			t.Fatal(err)
		}
	}
	if left := int64(heapAlloc() - before); left > 32<<10 {
		t.Errorf("%d bytes are left of messages that everybody has", left)
	}
	runtime.KeepAlive(l)
}

// L2: a reader that never reads slows nobody down: the cost of Append to a full log
// depends only on the number of its readers.
func TestL2FullLogRefusesAtOnce(t *testing.T) {
	l := openMem(t, New(Options{}), "a", roomy)
	for i := range 32 {
		attachMem(t, l, fmt.Sprint("r", i))
	}
	m := sized(100)
	for range roomy.MaxMessages {
		if _, err := l.Append(bg, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	for range 1000 {
		if _, err := l.Append(bg, m, ""); !errors.Is(err, store.ErrFull) {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("1 000 refusals took %v", took)
	}
}

// The store does not interpret the text of an id.
func TestMemoryTakesAnyID(t *testing.T) {
	s := New(Options{})
	for _, id := range []string{"", " ", "\x00", strings.Repeat("x", 1<<10)} {
		openMem(t, s, id, roomy)
	}
}

// I7: Renew changes what Open reads. Only the race detector makes this test fail.
func TestI7RenewWhileOthersOpen(t *testing.T) {
	s := New(Options{})
	l := openMem(t, s, "a", roomy)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			if err := l.Renew(bg); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 100 {
			now := s.Now()
			_, _, err := s.Open(bg, "a", store.Asked{Signed: now, Came: now}, false, roomy)
			if err != nil && !errors.Is(err, store.ErrMoved) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// I6: a way that ended because its id was presented does not begin again after the store
// has forgotten everything else about that id.
func TestI6EndedWayStaysEnded(t *testing.T) {
	s := New(Options{})
	leads := func(from, client string) string {
		t.Helper()
		is, err := s.Resolve(bg, from, store.Asked{}, client)
		if err != nil {
			t.Fatal(err)
		}
		return is.ID
	}

	move := func(from, to, client string) {
		t.Helper()
		how := store.Moving{Client: client, Keep: time.Hour, Settle: store.Settle}
		if _, err := s.Move(bg, from, to, how); err != nil {
			t.Fatal(err)
		}
	}

	move("x", "y", "c")
	if got := leads("x", "c"); got != "y" {
		t.Fatalf("x leads to %s", got)
	}

	leads("y", "") // its holder presents it
	for i := range 500 {
		if _, err := s.End(bg, fmt.Sprint("other", i), time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}

	move("z", "y", "d")
	if got := leads("x", "c"); got != "x" {
		t.Errorf("x leads to %s again", got)
	}
	if got := leads("z", "d"); got != "y" {
		t.Errorf("z leads to %s", got)
	}
}
