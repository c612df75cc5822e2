// Package duration has helpers of the transports for durations: defaults, jitter, and the
// deadline of a request.
package duration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// longest stands for no limit. No sum with it overflows.
const longest = 100 * 365 * 24 * time.Hour

// Option returns d, the value of the option called name, or the default zero if d is 0.
// It returns at most a hundred years, so that no sum with it overflows. It panics if d is
// negative.
func Option(name string, d, zero time.Duration) time.Duration {
	switch {
	case d < 0:
		panic(fmt.Sprintf("%s is %v; give a positive time, or 0 for %v", name, d, zero))
	case d == 0:
		return zero
	}
	return min(d, longest)
}

// Jitter returns d with ±20 % jitter, so that links that began together do not end
// together.
func Jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

// Half returns d with ±50 % jitter.
func Half(d time.Duration) time.Duration { return d/2 + rand.N(d+1) }

// Within returns d, or less if a middleware such as chi's Timeout ends ctx earlier. The
// response must end before ctx does. Within returns 0 only if d is 0.
func Within(ctx context.Context, d time.Duration) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return d
	}
	left := time.Until(deadline)
	return min(d, max(1, left-min(left/10, time.Second)))
}
