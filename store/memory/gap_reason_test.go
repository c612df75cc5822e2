package memory

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

// O1: if the budget alone makes entries leave that a reader needs, its gap says so,
// whichever step of D5 let them leave. If the log was full anyway, it says that.
func TestO1GapOfTheBudget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*store.Bounds)
		hangs  bool // the reader has a link, and takes nothing
		budget int64
		want   store.Missing
	}{
		{"away", nil, false, 400, store.MissingBudget},
		{"stalled", nil, true, 400, store.MissingBudget},
		{"dropped", func(b *store.Bounds) { b.Overflow = store.OverflowDropOldest }, true, 400, store.MissingBudget},
		{"full", func(b *store.Bounds) { b.MaxMessages = 4 }, false, 1000, store.MissingTrimmed},
		{"full, and the budget, too", func(b *store.Bounds) { b.MaxMessages = 4 }, false, 400, store.MissingTrimmed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := roomy
				b.Stall = time.Second
				if tt.change != nil {
					tt.change(&b)
				}
				s := New(Options{Budget: sessionCost + readerCost + linkCost - writerCost + tt.budget})
				l := openMem(t, s, "a", b)
				needs, live := attachMem(t, l, "needs"), attachMem(t, l, "live")
				if !tt.hangs {
					if _, err := l.Detach(bg, needs.Link); err != nil {
						t.Fatal(err)
					}
				}

				for seq := uint64(1); seq <= 5; seq++ {
					p, err := l.Append(bg, sized(100), "")
					if err == nil {
						err = l.Ack(bg, live.Link, p)
					}
					if err != nil {
						t.Fatalf("message %d: %v", seq, err)
					}
					time.Sleep(2 * time.Second)
				}

				if !tt.hangs {
					needs = attachMem(t, l, "needs")
				}
				_, tail, err := l.Read(bg, needs.Link, 0, 1<<20, nil)
				if err != nil || tail.Gap != (store.Lost{From: 1, To: 1}) || tail.GapReason != tt.want {
					t.Errorf("gap %v for %q, %v; want %q", tail.Gap, tail.GapReason, err, tt.want)
				}
			})
		})
	}
}
