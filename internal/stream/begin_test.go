package stream_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/stream"
)

// L3: a link ends before the context of its request does; where that is over already it ends at once, and 0 would be never.
func TestL3Within(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ left, d, want time.Duration }{
			{time.Hour, time.Minute, time.Minute},
			{time.Minute, time.Hour, 59 * time.Second},
			{time.Second, time.Hour, 900 * time.Millisecond},
			{0, time.Hour, 1},
			{-time.Second, time.Hour, 1},
			{-time.Second, 0, 0},
			{time.Hour, 0, 0},
		} {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(tt.left))
			if got := stream.Within(ctx, tt.d); got != tt.want {
				t.Errorf("%v, of which %v are left: %v, want %v", tt.d, tt.left, got, tt.want)
			}
			cancel()
		}
	})
}
