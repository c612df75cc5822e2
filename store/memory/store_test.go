package memory_test

import (
	"testing"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/storetest"
)

// newMemory returns a store that must be found empty, its budget included, when the suite
// is done with it.
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

// In real time, too: what the suite asks of a store with I/O must be true of this one.
func TestMemoryIsAStoreInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a quarter of a minute of real time")
	}
	storetest.Run(t, newMemory)
}
