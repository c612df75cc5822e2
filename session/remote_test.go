package session

import (
	"fmt"
	"testing"
)

// R4: the handles of sessions on other nodes are bounded, and those that were used last
// stay.
func TestR4HandlesAreBounded(t *testing.T) {
	var r remoteHandles
	first := &Session{id: "first"}
	r.put(first)
	for i := range 2 * maxRemote {
		r.put(&Session{id: fmt.Sprint(i)})
		if r.get("first") != first {
			t.Fatalf("the handle that is used was dropped after %d others", i)
		}
	}
	if n := r.order.Len(); n != maxRemote || len(r.byID) != n {
		t.Errorf("%d handles are kept, in a map of %d, want %d", n, len(r.byID), maxRemote)
	}
	if r.get("0") != nil {
		t.Error("the oldest handle is still there")
	}

	next := &Session{id: "first"}
	r.put(next)
	r.drop(first) // it has been replaced
	if r.get("first") != next {
		t.Error("dropping a handle has dropped its successor")
	}
	r.drop(next)
	if r.get("first") != nil || r.order.Len() != maxRemote-1 {
		t.Error("the handle was not dropped")
	}
}
