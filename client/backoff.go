package client

import (
	"math/rand/v2"
	"time"
)

const (
	longestDelay  = time.Hour // whoever asks for it
	firstDelay    = 500 * time.Millisecond
	foreignDelay  = 8 * time.Second // after the answer of a gateway
	mostDoublings = 30
)

// delayBefore returns how long to wait before the next attempt. What the server asks for
// counts first. Otherwise it is random, so that not all clients come back at once, and
// its bound doubles with each attempt up to most (full jitter).
func delayBefore(attempt int, err *Error, most time.Duration) time.Duration {
	if err.RetryAfter > 0 {
		return min(err.RetryAfter, longestDelay)
	}
	if err.isForeign() && attempt > 1 {
		return upTo(min(most, foreignDelay)/2) + min(most, foreignDelay)/2
	}
	bound := firstDelay
	if attempt >= 0 {
		bound <<= min(attempt, mostDoublings)
	} else {
		bound >>= min(-attempt, mostDoublings)
	}
	return upTo(min(most, bound))
}

// delayAfterRefusal returns how long to wait after a join was refused for a while: at
// least what the server asks for. The delay doubles with each attempt up to most, and is
// random.
func delayAfterRefusal(attempt int, asked, most time.Duration) time.Duration {
	asked = min(asked, longestDelay)
	bound := max(asked, firstDelay) << min(attempt-1, mostDoublings)
	if bound <= 0 || bound > longestDelay {
		bound = longestDelay
	}
	return max(asked, min(most, bound+upTo(bound/2)))
}

func upTo(d time.Duration) time.Duration { return time.Duration(rand.Int64N(int64(max(d, 0)) + 1)) }
