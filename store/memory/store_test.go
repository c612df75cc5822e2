package memory_test

import (
	"testing"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/storetest"
)

// newMemory returns a store that must be empty, its budget included, when the suite is
// done with it.
func newMemory(t testing.TB) store.Store {
	s := memory.New(memory.Options{})
	t.Cleanup(func() {
		if left := s.Leftovers(); left != "" {
			t.Errorf("when all sessions are gone, there are still %s", left)
		}
	})
	return s
}

func TestMemoryIsAStore(t *testing.T) { storetest.RunInBubble(t, newMemory) }

// The suite also runs in real time, as for a store with I/O.
func TestMemoryIsAStoreInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a quarter of a minute of real time")
	}
	storetest.Run(t, newMemory)
}
