package transport_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/session"
)

// X1: a client that changes among WebSocket, SSE and poll ten times a second, with 200
// messages a second each way: everything once and in order at both ends, and the
// application sees one reader that never leaves.
func TestX1SwitchUnderLoad(t *testing.T) {
	t.Parallel()
	var came, left, links atomic.Int32
	s := started(t, setup{session: session.Options{
		Rate:     -1,
		OnAttach: func(context.Context, *session.Session, session.ReaderInfo) { came.Add(1) },
		OnDetach: func(context.Context, *session.Session, session.ReaderInfo) { left.Add(1) },
		OnClose:  func(session.Closed) { links.Add(1) },
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := s.connect(ctx, s.url(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	changing, stop := context.WithCancel(ctx)
	defer stop()
	go keepChanging(changing, c)

	var want []string
	for i := range 600 {
		want = append(want, fmt.Sprint("m", i))
	}
	go func() { // each comes down again
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for i, text := range want {
			if i%5 == 0 {
				<-tick.C
			}
			if err := c.Send(ctx, client.Message{Data: []byte(text)}); err != nil {
				t.Errorf("Send: %v", err)
			}
		}
	}()

	got, err := receive(ctx, c, len(want))
	stop()
	if calls := s.calls.calls(c.ID()); err != nil || !slices.Equal(got, want) || !slices.Equal(calls, want) {
		t.Errorf("the client has %q, %v, the application %q", got, err, calls)
	}
	if links.Load() < 15 || came.Load() != 1 || left.Load() != 0 {
		t.Errorf("%d links have ended, %d readers came, %d left", links.Load(), came.Load(), left.Load())
	}
}
