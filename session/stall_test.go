package session

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/store"
)

// D5, L2: a tab that hangs, and a page that was left while it polled, do not make Send
// fail for the visitor's other tabs. 80 messages a second fill the log in a second, and
// the live tab gets them all.
func TestD5StalledTab(t *testing.T) {
	for _, poll := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var told store.Lost
			m := New(Options{
				MaxMessages: 300,
				OnGap:       func(_ context.Context, _ *Session, _ ReaderInfo, l store.Lost) { told = l },
			})
			t.Cleanup(func() { m.Shutdown(context.Background()) })

			hangs, err := m.Attach(t.Context(), Attach{ID: "a", Reader: "hangs", Poll: poll})
			if err != nil {
				t.Fatal(err)
			}
			defer hangs.Close()
			if poll {
				hangs.Park(30 * time.Second)
			}
			live, err := m.Attach(t.Context(), Attach{ID: "a", Reader: "live"})
			if err != nil {
				t.Fatal(err)
			}
			defer live.Close()

			var b Batch
			got := 0
			for i := range 15 * 80 {
				if _, err := m.Send(t.Context(), "a", store.Text("x")); err != nil {
					t.Fatalf("poll %v: message %d: %v", poll, i, err)
				}
				if err := live.Take(t.Context(), &b); err != nil || b.Gap != (store.Lost{}) {
					t.Fatalf("the live tab: %+v, %v", b, err)
				}
				got += len(b.Entries)
				if err := live.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: live.cursor}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second / 80)
			}

			if got != 15*80 {
				t.Errorf("the live tab got %d", got)
			}
			if poll {
				return
			}
			if err := hangs.Take(t.Context(), &b); err != nil || b.Gap == (store.Lost{}) ||
				told != (store.Lost{From: b.Gap.From, To: b.Gap.To, Reason: store.MissingStalled}) {
				t.Errorf("the one that hung: %v, gap %v, told %v", err, b.Gap, told)
			}
		})
	}
}
