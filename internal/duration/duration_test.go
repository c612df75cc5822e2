package duration_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/duration"
)

// L3: a link ends before the context of its request. If the context has already ended,
// the link ends at once. The result is not 0, which would mean never.
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
			if got := duration.Within(ctx, tt.d); got != tt.want {
				t.Errorf("%v, of which %v are left: %v, want %v", tt.d, tt.left, got, tt.want)
			}
			cancel()
		}
	})
}

// H2: a negative duration is refused, and its text names the option and the remedy.
func TestH2Option(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0:             time.Minute,
		time.Second:   time.Second,
		math.MaxInt64: 100 * 365 * 24 * time.Hour,
	} {
		if got := duration.Option("x.Options.Y", d, time.Minute); got != want {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
	defer func() {
		if text, want := recover(), "x.Options.Y is -1s; give a positive time, or 0 for 1m0s"; text != want {
			t.Errorf("panic %v, want %q", text, want)
		}
	}()
	duration.Option("x.Options.Y", -time.Second, time.Minute)
}
