package memory

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A session's readers, links and writers count as much as they take, until they are gone.
func TestD5BudgetOfReaders(t *testing.T) {
	const sessions, readers, writers = 200, 160, 32
	s := New(Options{Budget: -1})
	b := roomy
	b.MaxLinks, b.MaxReaders, b.MaxWriters = 32, 128, writers

	before := heapAlloc()
	for i := range sessions {
		l := openMem(t, s, fmt.Sprint("s", i), b)
		for n := range readers {
			a := attachMem(t, l, fmt.Sprintf("reader-%06d-%016x", i, n))
			if n < readers-32 {
				if _, err := l.Detach(bg, a.Link); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range writers {
			name := fmt.Sprintf("writer-%06d-%016x", i, n)
			if _, _, err := l.Begin(bg, store.LinkRef{}, name, 1, 1, time.Second); err != nil {
				t.Fatal(err)
			}
			if err := l.Commit(bg, name, 1, true); err != nil {
				t.Fatal(err)
			}
		}
	}

	is, counts := int64(heapAlloc()-before)/sessions, s.used.Load()/sessions
	t.Logf("a session with %d readers and %d writers takes %d bytes, and counts as %d", readers, writers, is, counts)
	if is > counts || counts > 2*is {
		t.Error("that is too far apart")
	}

	for i := range sessions {
		if _, err := s.End(bg, fmt.Sprint("s", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.Leftovers(); left != "" {
		t.Error(left)
	}
	runtime.KeepAlive(s)
}

// New readers leave the last eighth of the budget to messages. A reader that is known
// comes back nevertheless.
func TestD5BudgetRefusesReaders(t *testing.T) {
	s := New(Options{Budget: 16 * sessionCost})
	l := openMem(t, s, "a", roomy)
	n := 0
	for ; n < 100; n++ {
		if _, err := l.Attach(bg, store.Claim{Reader: fmt.Sprint("r", n)}); errors.Is(err, store.ErrBudget) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n < 10 || n > 40 {
		t.Errorf("%d readers before the budget ended", n)
	}

	attachMem(t, l, "r0")
	if _, err := l.Append(bg, sized(sessionCost), ""); err != nil {
		t.Errorf("a message: %v", err)
	}

	for i := range n {
		if _, _, err := l.Quit(bg, store.LinkRef{Reader: fmt.Sprint("r", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if left := s.Leftovers(); left != "" {
		t.Error(left)
	}
}

// Revocations are bounded: a warning comes in time, then they are refused, and none is
// forgotten.
func TestD5BudgetOfRevocations(t *testing.T) {
	var said bytes.Buffer
	s := New(Options{Budget: 200 * idCost, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	signed := store.Asked{Signed: s.Now()}

	n := 0
	var err error
	for ; n < 300 && err == nil; n++ {
		if _, err = s.End(bg, fmt.Sprint(n), time.Hour); errors.Is(err, store.ErrNotFound) {
			err = nil // no session
		}
	}
	if !errors.Is(err, store.ErrBudget) || n < 90 || n > 110 {
		t.Errorf("after %d revocations: %v", n, err)
	}

	if _, err := s.Move(bg, "from", "to", store.Moving{Settle: store.Settle}); !errors.Is(err, store.ErrBudget) {
		t.Errorf("Move: %v", err)
	}
	for i := range n - 1 {
		if is, err := s.Resolve(bg, fmt.Sprint(i), signed, ""); err != nil || is.State != store.StateRevoked {
			t.Fatalf("%d: %+v, %v", i, is, err)
		}
	}

	if _, _, err := s.Open(bg, "new", store.Asked{}, true, roomy); err != nil {
		t.Errorf("a new session beside them: %v", err)
	}
	if got := strings.Count(said.String(), "take a quarter of the budget"); got != 1 {
		t.Errorf("it is said %d times", got)
	}
}

// An id that is revoked takes the memory that it counts, or less.
func TestD5RevocationsTake(t *testing.T) {
	const n = 100_000
	s := New(Options{Budget: -1})
	before := heapAlloc()
	for i := range n {
		if _, err := s.End(bg, fmt.Sprintf("%022x", i), time.Hour); !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
	is, counts := int64(heapAlloc()-before)/n, s.ids.bytes.Load()/n
	t.Logf("a revoked id takes %d bytes, and counts as %d", is, counts)
	if is > counts {
		t.Error("that is more")
	}
	runtime.KeepAlive(s)
}
