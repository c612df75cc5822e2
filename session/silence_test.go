package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D4: a client that continues to acknowledge is alive, however much it still lacks. 20 s
// after its last acknowledgement it is presumed dead.
func TestD4AcknowledgesSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{})
		t.Cleanup(func() { m.Shutdown(context.Background()) })
		l := link(t, m, session.Attach{ID: "id", Reader: "r"})
		defer l.Close()
		for range 100 {
			if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
				t.Fatal(err)
			}
		}

		var b session.Batch
		if err := l.Take(t.Context(), &b); err != nil || len(b.Entries) != 100 {
			t.Fatal(err, len(b.Entries))
		}

		end := func(d time.Duration) session.End {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			for b.End == "" && l.Next(ctx, &b) == nil {
			}
			return b.End
		}

		for seq := uint64(1); seq < 20; seq++ {
			if end := end(5 * time.Second); end != "" {
				t.Fatalf("the link ended (%s) although its client had acknowledged %d messages, one every 5 s",
					end, seq-1)
			}
			if err := l.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: seq}); err != nil {
				t.Fatal(err)
			}
		}

		start := time.Now()
		if end := end(time.Hour); end != session.EndSilent || time.Since(start) > 40*time.Second {
			t.Errorf("the link ended (%s) %v after the last acknowledgement", end, time.Since(start))
		}
	})
}
