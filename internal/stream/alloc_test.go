//go:build !race

package stream_test

import (
	"strings"
	"testing"

	"github.com/mirage-go/mirage/session"
)

// §7: taking, encoding and writing a message allocates nothing.
func TestP1NoAlloc(t *testing.T) {
	store := session.NewMemory(0)
	_, _, out := pumped(t, session.Options{Store: store, Overflow: session.DropOldest})
	log, _, err := store.Open(t.Context(), "id", false, session.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	msg := session.Text(strings.Repeat("x", 200))
	ctx := t.Context()
	for range 2000 { // grow the ring and the buffers
		log.Append(ctx, &msg, "")
	}
	before := out.writes
	allocs := testing.AllocsPerRun(1000, func() { log.Append(ctx, &msg, "") })
	if allocs != 0 || out.writes == before {
		t.Errorf("%v allocations a message, %d writes", allocs, out.writes-before)
	}
}
