package memory_test

import (
	"slices"
	"testing"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/store/storetest"
)

// S2: what a step has changed is saved before the step is answered, in every test of the
// suite.
func TestS2EverythingIsSaved(t *testing.T) {
	memory.SkipUnderRace(t)
	storetest.RunInBubble(t, func(t testing.TB) store.Store { return memory.NewShadowed(t) })
}

// D1, S2: no two sessions have the same epoch, however many there are: the journal tells
// them apart by it.
func TestS2EpochsDiffer(t *testing.T) {
	all := memory.New(memory.Options{}).Epochs(1 << 20)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 1<<20 {
		t.Errorf("%d of %d epochs are different", n, 1<<20)
	}
}
