package memory_test

import (
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
