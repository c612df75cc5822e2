package session_test

import (
	"fmt"
	"testing"

	"github.com/mirage-go/mirage/store"
)

// D3: Count returns how many messages a loss is, if the log knows. A loss without a known
// end has no count.
func TestD3LostCount(t *testing.T) {
	for _, tt := range []struct {
		lost  store.Lost
		n     uint64
		known bool
	}{
		{store.Lost{}, 0, true},
		{store.Lost{From: 1, To: 1}, 1, true},
		{store.Lost{From: 3, To: 7}, 5, true},
		{store.Lost{From: 1, To: store.MaxSeq}, store.MaxSeq, true},
		{store.Lost{From: 1}, 0, false},
		{store.Lost{From: 3}, 0, false},
		{store.Lost{From: store.MaxSeq}, 0, false},
		{store.Lost{From: 7, To: 3}, 0, false}, // of no store of ours
	} {
		if n, known := tt.lost.Count(); n != tt.n || known != tt.known {
			t.Errorf("%+v: %d, %v, want %d, %v", tt.lost, n, known, tt.n, tt.known)
		}
	}
}

func ExampleLost_Count() {
	for _, lost := range []store.Lost{{From: 3, To: 7}, {From: 3}} { // as OnGap gets it
		if n, known := lost.Count(); known {
			fmt.Println(n, "messages are lost")
		} else {
			fmt.Println("everything from number", lost.From, "on is lost")
		}
	}
	// Output:
	// 5 messages are lost
	// everything from number 3 on is lost
}
