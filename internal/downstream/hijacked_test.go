package downstream_test

import (
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
)

// L1: a link is closed, and Shutdown continues, once no drain takes from it any more,
// whatever ended it.
func TestL1HijackedClosedLast(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))

	for _, tt := range []struct {
		name   string
		drain  func(out downstream.Out, wait func())
		leaves bool // the client, while drain waits
	}{
		{"client leaves", func(_ downstream.Out, wait func()) { wait() }, true},
		{"client leaves, and the link ends", func(out downstream.Out, wait func()) { wait(); out.Close() }, true},
		{"link ends", func(out downstream.Out, wait func()) { out.Close(); wait() }, false},
		{"link ends, client leaves", func(out downstream.Out, wait func()) { out.Close(); wait() }, true},
		{"panic", func(_ downstream.Out, wait func()) { wait(); panic("no") }, false},
		{"client leaves, panic", func(_ downstream.Out, wait func()) { wait(); panic("no") }, true},
		{"client leaves before", nil, true},
		{"link ends twice", func(out downstream.Out, wait func()) { out.Close(); wait(); out.Close() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, client := net.Pipe()
				defer client.Close()
				var pool writers.Pool
				closed, hang := 0, make(chan struct{})
				out, err := downstream.Hijack(&pool, hijackable{conn: server}, time.Minute, func() { closed++ })
				if err != nil {
					t.Fatal(err)
				}

				if tt.drain != nil {
					out.Schedule(func() { tt.drain(out, func() { <-hang }) })
					synctest.Wait()
				}
				if tt.leaves {
					client.Close()
					synctest.Wait()
				}

				if tt.drain != nil && closed > 0 {
					t.Error("closed while something takes from the link")
				}
				close(hang)
				synctest.Wait()
				if closed != 1 {
					t.Errorf("closed %d times", closed)
				}
			})
		})
	}
}
