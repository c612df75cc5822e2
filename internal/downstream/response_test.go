package downstream_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
	"github.com/mirage-go/mirage/internal/writers"
)

// L1: the handler of a stream does not return (and so give the response back to net/http)
// while something is written, whatever ended the stream.
func TestL1ResponseWaits(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))

	for _, tt := range []struct {
		name   string
		drain  func(out *downstream.Response, wait func())
		leaves bool // the client, while drain waits
	}{
		{"client leaves", func(_ *downstream.Response, wait func()) { wait() }, true},
		{"client leaves, and the write fails", func(out *downstream.Response, wait func()) {
			wait()
			out.Close()
		}, true},
		{"link ends", func(out *downstream.Response, wait func()) { out.Close(); wait() }, false},
		{"link ends, scheduled meanwhile", func(out *downstream.Response, wait func()) {
			out.Close()
			out.Schedule(func() { t.Error("ran on") })
			wait()
		}, false},
		{"link ends, client leaves", func(out *downstream.Response, wait func()) { out.Close(); wait() }, true},
		{"panic", func(_ *downstream.Response, wait func()) { wait(); panic("no") }, false},
		{"client leaves, panic", func(_ *downstream.Response, wait func()) { wait(); panic("no") }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var pool writers.Pool
				r := httptest.NewRequest("GET", "/", nil)
				out := downstream.NewResponse(&pool, httptest.NewRecorder(), r, time.Minute)
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
				out.Schedule(func() {
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

				out.Schedule(func() { t.Error("ran after the end") })
				synctest.Wait()
			})
		})
	}
}

// L1: a stream with nothing to write ends when its client leaves.
func TestL1ResponseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pool writers.Pool
		r := httptest.NewRequest("GET", "/", nil)
		out := downstream.NewResponse(&pool, httptest.NewRecorder(), r, time.Minute)
		ran := 0
		out.Schedule(func() { ran++ })
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		go func() { synctest.Wait(); leave() }()
		out.Run(ctx)
		if ran != 1 {
			t.Errorf("ran %d", ran)
		}
	})
}
