package session_test

import (
	"fmt"
	"testing"

	"github.com/mirage-go/mirage/session"
)

// D3: how many messages a loss is, where the log knows; a loss without a known end is not
// counted as anything.
func TestD3LostCount(t *testing.T) {
	for _, tt := range []struct {
		lost  session.Lost
		n     uint64
		known bool
	}{
		{session.Lost{}, 0, true},
		{session.Lost{From: 1, To: 1}, 1, true},
		{session.Lost{From: 3, To: 7}, 5, true},
		{session.Lost{From: 1, To: session.MaxSeq}, session.MaxSeq, true},
		{session.Lost{From: 1}, 0, false},
		{session.Lost{From: 3}, 0, false},
		{session.Lost{From: session.MaxSeq}, 0, false},
		{session.Lost{From: 7, To: 3}, 0, false}, // of no store of ours
	} {
		if n, known := tt.lost.Count(); n != tt.n || known != tt.known {
			t.Errorf("%+v: %d, %v, want %d, %v", tt.lost, n, known, tt.n, tt.known)
		}
	}
}

func ExampleLost_Count() {
	for _, lost := range []session.Lost{{From: 3, To: 7}, {From: 3}} { // as OnGap gets it
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
