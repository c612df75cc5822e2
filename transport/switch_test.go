package transport_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
)

// X1: a client that goes from SSE to poll and back ten times a second, with 200 messages
// a second each way: everything once and in order at both ends, and the application sees
// one reader that never leaves.
func TestX1SwitchUnderLoad(t *testing.T) {
	t.Parallel()
	var came, left atomic.Int32
	s := started(t, setup{session: session.Options{
		Rate:     -1,
		OnAttach: func(context.Context, *session.Session, session.ReaderInfo) { came.Add(1) },
		OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { left.Add(1) },
	}})
	p := newPeer(s.url(), s.client(nil))
	p.begin((*peer).keepSwitching)

	var want []string
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for len(want) < 600 && p.ok() {
		<-tick.C
		var batch []string
		for range 5 {
			batch = append(batch, fmt.Sprint("m", len(want)+len(batch)))
		}
		want = append(want, batch...)
		p.send(batch...) // and each comes down again
	}

	p.has(len(want))
	p.stop()
	p.report(t)

	if calls := s.calls.calls(p.hello.ID); !slices.Equal(p.got, want) || !slices.Equal(calls, want) {
		t.Errorf("the client has %q, the application %q", p.got, calls)
	}
	if p.hellos < 25 || came.Load() != 1 || left.Load() != 0 {
		t.Errorf("%d links, %d readers came, %d left", p.hellos, came.Load(), left.Load())
	}
}
