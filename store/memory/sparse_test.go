package memory

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

func keyed(key string, ttl time.Duration, size int) *store.Message {
	m := sized(size - len(key))
	m.Key, m.TTL = key, ttl
	return m
}

// M1: a million updates of one key, which a reader that reads nothing has not passed,
// take the memory of one. The reader gets what is older, and the last update.
func TestM1MillionUpdates(t *testing.T) {
	s := New(Options{})
	l := openMem(t, s, "a", roomy)
	a := attachMem(t, l, "r")
	if _, err := l.Append(bg, sized(100), ""); err != nil {
		t.Fatal(err)
	}

	before := heapAlloc()
	const n = 1_000_000
	for range n {
		if _, err := l.Append(bg, keyed("price", 0, 200), ""); err != nil {
			t.Fatal(err)
		}
	}
	if more := int64(heapAlloc() - before); more > 32<<10 {
		t.Errorf("%d bytes more", more)
	}
	if got := s.used.Load(); got != sessionCost+sparseCost+300 {
		t.Errorf("%d bytes of the budget are used", got)
	}

	got, tail, err := l.Read(bg, a.Link, 0, 1<<20, nil)
	if err != nil || len(got) != 2 || got[0].Seq != 1 || got[1].Seq != n+1 || tail.Gap != (store.Lost{}) || tail.More {
		t.Errorf("read %v, %+v, %v", got, tail, err)
	}
	runtime.KeepAlive(l)
}

// M1: a log with as many keys as it may hold takes no more memory than it may, however
// often they are updated.
func TestM1MillionUpdatesOfManyKeys(t *testing.T) {
	l := openMem(t, New(Options{}), "a", roomy)
	attachMem(t, l, "r")
	update := func(n int) {
		for i := range n {
			if _, err := l.Append(bg, keyed(fmt.Sprintf("%03d", i%900), 0, 200), ""); err != nil {
				t.Fatal(err)
			}
		}
	}

	update(10_000)
	before := heapAlloc()
	update(1_000_000)
	if more := int64(heapAlloc() - before); more > 64<<10 {
		t.Errorf("%d bytes more", more)
	}
	if slots := len(l.entries.slots); slots > 2048 {
		t.Errorf("%d slots for 900 entries", slots)
	}
	runtime.KeepAlive(l)
}

// M3: a log does not remember the ends of messages that left before their TTL was over.
func TestM3EndsAreForgotten(t *testing.T) {
	l := openMem(t, New(Options{}), "a", roomy)
	a := attachMem(t, l, "r")
	before := heapAlloc()
	for range 100_000 {
		p, err := l.Append(bg, keyed("k", time.Hour, 200), "")
		if err == nil {
			err = l.Ack(bg, a.Link, p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if more := int64(heapAlloc() - before); more > 16<<10 {
		t.Errorf("%d bytes more", more)
	}
	runtime.KeepAlive(l)
}

// D5: a log that has been emptied keeps nothing of a large number of messages with Key
// and TTL.
func TestD5SparseLogLetsGo(t *testing.T) {
	l := openMem(t, New(Options{}), "a", roomy)
	a := attachMem(t, l, "r")
	before := heapAlloc()
	for round := range 3 {
		var p store.Position
		for i := range 900 {
			var err error
			if p, err = l.Append(bg, keyed(fmt.Sprint(round, i), time.Hour, 500), ""); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Ack(bg, a.Link, p); err != nil {
			t.Fatal(err)
		}
	}
	if more := int64(heapAlloc() - before); more > 8<<10 {
		t.Errorf("%d bytes are left", more)
	}
	runtime.KeepAlive(l)
}

// P1: a session with a message that has Key and TTL takes at most the bytes that it
// counts against the budget.
func TestSparseSessionIsCheap(t *testing.T) {
	const n = 5_000
	s := New(Options{Budget: -1})
	m := keyed("k", time.Hour, 200)
	before := heapAlloc()
	for i := range n {
		id, reader := fmt.Sprintf("%032x", i), fmt.Sprintf("reader-%016x", i)
		l := openMem(t, s, id, roomy)
		attachMem(t, l, reader)
		if _, err := l.Append(bg, m, ""); err != nil {
			t.Fatal(err)
		}
	}
	is, counts := (heapAlloc()-before)/n, s.used.Load()/n
	t.Logf("a session takes %d bytes, and counts as %d", is, counts)
	if int64(is) > counts {
		t.Error("that is more")
	}

	for i := range n {
		if _, err := s.End(bg, fmt.Sprintf("%032x", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.Leftovers(); left != "" {
		t.Error(left)
	}
}

// P1: messages with Key do not allocate for each message either.
func TestSparseHotPathAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := openMem(t, New(Options{}), "a", roomy)
	a := attachMem(t, l, "r")
	stop := l.Watch(func() {})
	defer stop()
	m, other, dst := keyed("k", time.Hour, 200), sized(200), make([]store.Entry, 0, 16)
	after := uint64(0)

	if allocs := testing.AllocsPerRun(1000, func() {
		for _, m := range []*store.Message{m, other, m} {
			if _, err := l.Append(bg, m, ""); err != nil {
				t.Fatal(err)
			}
		}
		got, _, err := l.Read(bg, a.Link, after, 1<<16, dst)
		if err != nil || len(got) != 2 || got[0].Seq != after+2 {
			t.Fatal(got, err)
		}
		after += 3
		if err := l.Ack(bg, a.Link, store.Position{Epoch: a.Position.Epoch, Seq: after}); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// M1: a full budget has room for an update that is no larger than what it supersedes.
func TestM1Budget(t *testing.T) {
	s := New(Options{Budget: sessionCost + sparseCost + 500})
	l := openMem(t, s, "a", roomy)
	attachMem(t, l, "r")
	for _, key := range []string{"k1", "k2"} {
		if _, err := l.Append(bg, keyed(key, 0, 250), ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		key  string
		size int
		want error
	}{
		{"k3", 200, store.ErrFull}, {"k1", 251, store.ErrFull}, {"k1", 250, nil},
		{"k2", 200, nil}, {"k1", 301, store.ErrFull}, {"k1", 300, nil},
	} {
		if _, err := l.Append(bg, keyed(tt.key, 0, tt.size), ""); !errors.Is(err, tt.want) {
			t.Errorf("%d bytes of %s: %v, want %v", tt.size, tt.key, err, tt.want)
		}
	}
	if used := s.used.Load(); used != s.budget {
		t.Errorf("%d of %d bytes are used", used, s.budget)
	}
}

// M3: what expires is given back to the budget at the log's next step.
func TestM3Budget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Budget: sessionCost + sparseCost + 500})
		l := openMem(t, s, "a", roomy)
		attachMem(t, l, "r")
		for range 2 {
			if _, err := l.Append(bg, keyed("", time.Second, 250), ""); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Append(bg, sized(250), ""); !errors.Is(err, store.ErrFull) {
			t.Errorf("a message beyond the budget: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := l.Append(bg, sized(250), ""); err != nil {
			t.Error(err)
		}
		if used := s.used.Load(); used != s.budget-250 {
			t.Errorf("%d of %d bytes are used", used, s.budget)
		}
	})
}

// M1: a message of a broadcast is as old as the broadcast: it does not supersede what was
// sent meanwhile, and counts as appended.
func TestM1BroadcastIsAsOldAsItsCall(t *testing.T) {
	s := New(Options{})
	l := openMem(t, s, "a", roomy)
	a := attachMem(t, l, "r")
	older, newer := keyed("k", 0, 200), keyed("k", 0, 300)
	sent := s.lifetime(older)
	time.Sleep(time.Microsecond)
	if _, err := l.Append(bg, newer, ""); err != nil {
		t.Fatal(err)
	}

	if id, err := l.broadcast(older, s.tick(), sent); err != nil {
		t.Errorf("the broadcast to %s: %v", id, err)
	}
	if got, _, err := l.Read(bg, a.Link, 0, 1<<20, nil); err != nil || len(got) != 1 || got[0].Message != newer {
		t.Errorf("read %v, %v", got, err)
	}

	if err := s.Broadcast(bg, older, func(_ string, err error) error { return err }); err != nil {
		t.Fatal(err)
	}
	if got, _, err := l.Read(bg, a.Link, 0, 1<<20, nil); err != nil || len(got) != 1 || got[0].Message != older {
		t.Errorf("after a broadcast: read %v, %v", got, err)
	}
}

// M3: a reader that has to be told of a gap is behind, even if nothing follows the gap.
func TestM3BehindAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := roomy
		b.Overflow, b.MaxMessages = store.OverflowDropOldest, 2
		l := openMem(t, New(Options{}), "a", b)
		a := attachMem(t, l, "r")
		for _, m := range []*store.Message{sized(100), keyed("", time.Second, 100), keyed("", time.Second, 100)} {
			if _, err := l.Append(bg, m, ""); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		behind := func(want int) {
			t.Helper()
			if n, top, err := l.Behind(bg, 0); n != want || top != 3 || err != nil {
				t.Errorf("%d readers are behind %d, %v; want %d behind 3", n, top, err, want)
			}
		}
		behind(1)
		got, tail, err := l.Read(bg, a.Link, 0, 1<<20, nil)
		if err != nil || len(got) != 0 || tail.Gap != (store.Lost{From: 1, To: 1}) {
			t.Fatalf("read %v, gap %v, %v", got, tail.Gap, err)
		}
		if err := l.Ack(bg, a.Link, store.Position{Epoch: tail.Epoch, Seq: tail.Gap.To}); err != nil {
			t.Fatal(err)
		}
		behind(0)
	})
}
