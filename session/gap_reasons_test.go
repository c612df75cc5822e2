package session_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// O1: OnGap has the reason why messages left the log.
func TestO1GapReasons(t *testing.T) {
	large := store.Message{Data: []byte(strings.Repeat("x", 1000))}
	for _, tt := range []struct {
		name   string
		o      session.Options
		hangs  bool // the reader that loses messages has a link, and takes nothing
		budget int64
		want   string
	}{
		{name: "away", want: "1-2 trimmed"},
		{name: "stalled", hangs: true, want: "1-2 stalled"},
		{name: "overflow", o: session.Options{Overflow: store.OverflowDropOldest}, hangs: true, want: "1-2 overflow"},
		{name: "budget", o: session.Options{MaxMessages: 100}, budget: 5 << 10, want: "1-2 budget"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []string
				tt.o.OnGap = func(_ context.Context, _ *session.Session, r session.ReaderInfo, l store.Lost) {
					told = append(told, fmt.Sprintf("%s %d-%d %s", r.Reader, l.From, l.To, l.Reason))
				}
				if tt.o.MaxMessages == 0 {
					tt.o.MaxMessages = 3
				}
				if tt.budget > 0 {
					tt.o.Store = memory.New(memory.Options{Budget: tt.budget})
				}
				m := session.New(tt.o)
				t.Cleanup(func() { m.Shutdown(context.Background()) })

				attach := func(reader string) *session.Link {
					l, err := m.Attach(t.Context(), session.Attach{ID: "ann", Reader: reader})
					if err != nil {
						t.Fatal(err)
					}
					return l
				}
				loses, live := attach("loses"), attach("live")
				defer live.Close()
				if !tt.hangs {
					loses.Close()
				}

				var b session.Batch
				for range 5 {
					if _, err := m.Send(t.Context(), "ann", large); err != nil {
						t.Fatal(err)
					}
					if err := live.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 {
						t.Fatalf("the live reader takes %+v, %v", b, err)
					}
					if err := live.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: b.Entries[0].Seq}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(4 * time.Second) // longer than Bounds.Stall
				}

				if !tt.hangs {
					loses = attach("loses")
				}
				defer loses.Close()
				if err := loses.Take(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				if got := strings.Join(told, ", "); got != "loses "+tt.want {
					t.Errorf("OnGap was told %q, want %q", got, tt.want)
				}
			})
		})
	}
}
