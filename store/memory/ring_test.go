package memory

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

// P1: the ring is a queue, whatever is pushed and popped, and has at most twice as many
// slots as entries, or a few.
func TestRingIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring[slot]
		var want []uint32
		next := uint32(0)

		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					next++
					r.push(slot{at: next})
					want = append(want, next)
				}
			},
			"pop": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					if len(want) == 0 {
						return
					}
					if got := r.pop().at; got != want[0] {
						t.Fatalf("popped %d, want %d", got, want[0])
					}
					want = want[1:]
				}
			},
			"truncate": func(t *rapid.T) {
				n := rapid.IntRange(0, len(want)).Draw(t, "n")
				r.truncate(n)
				want = want[:n]
			},
			"": func(t *rapid.T) {
				var got []uint32
				for i := range r.n {
					got = append(got, r.at(i).at)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("holds %v, want %v", got, want)
				}
				if n := len(r.slots); n&(n-1) != 0 {
					t.Fatalf("%d slots are no power of two", n)
				}
				if r.n == 0 && len(r.slots) > ringKeep {
					t.Fatalf("an empty ring keeps %d slots", len(r.slots))
				}
			},
		})
	})
}

// L4: the ring does not keep entries that have left the log.
func TestRingForgets(t *testing.T) {
	var r ring[slot]
	for range 10 {
		r.push(slot{message: &store.Message{}, size: 1})
	}
	for range 10 {
		r.pop()
	}
	for i, s := range r.slots {
		if s != (slot{}) {
			t.Errorf("slot %d still holds %v", i, s)
		}
	}
}
