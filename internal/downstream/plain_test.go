package downstream_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
)

// L1: the handler of a plain stream does not return, and net/http take the response back, while something is written, whatever ended it.
func TestL1PlainWaitsForItsWriter(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		name   string
		drain  func(out *downstream.Plain, wait func())
		leaves bool // the client, while drain waits
	}{
		{"client leaves", func(_ *downstream.Plain, wait func()) { wait() }, true},
		{"client leaves, and the write fails", func(out *downstream.Plain, wait func()) { wait(); out.Close() }, true},
		{"link ends", func(out *downstream.Plain, wait func()) { out.Close(); wait() }, false},
		{"link ends, kicked meanwhile", func(out *downstream.Plain, wait func()) { out.Close(); out.Kick(func() { t.Error("ran on") }); wait() }, false},
		{"link ends, client leaves", func(out *downstream.Plain, wait func()) { out.Close(); wait() }, true},
		{"panic", func(_ *downstream.Plain, wait func()) { wait(); panic("no") }, false},
		{"client leaves, panic", func(_ *downstream.Plain, wait func()) { wait(); panic("no") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w downstream.Writers
				out := w.Plain(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Minute)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				writing, returned := false, false
				hang := make(chan struct{})
				go func() {
					out.Run(ctx)
					returned = true
					if writing {
						t.Error("returned while something was written")
					}
				}()
				out.Kick(func() {
					writing = true
					defer func() { writing = false }()
					tt.drain(out, func() { <-hang })
				})
				synctest.Wait()
				if tt.leaves {
					leave()
					synctest.Wait()
				}
				if returned {
					t.Error("returned too early")
				}
				close(hang)
				synctest.Wait()
				if !returned {
					t.Fatal("did not return")
				}
				out.Kick(func() { t.Error("ran after the end") })
				synctest.Wait()
			})
		})
	}
}

// L1: without anything to write, a plain stream ends with its client.
func TestL1PlainIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w downstream.Writers
		out := w.Plain(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Minute)
		ran := 0
		out.Kick(func() { ran++ })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		go func() { synctest.Wait(); leave() }()
		out.Run(ctx)
		if ran != 1 {
			t.Errorf("ran %d", ran)
		}
	})
}
