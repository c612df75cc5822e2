package websocket

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// L1: frames of every length are counted, wherever the reads are cut.
func TestL1MeterCounts(t *testing.T) {
	var text []byte
	frames := 0
	for range 500 {
		for _, n := range []int{0, 1, 125, 126, 127, 300, 65535, 65536} {
			if n > 1000 && frames > 100 {
				continue
			}
			frames++
			switch {
			case n < 126:
				text = append(text, 0x8a, 0x80|byte(n))
			case n < 65536:
				text = append(text, 0x81, 0x80|126, byte(n>>8), byte(n))
			default:
				text = append(text, 0x81, 0x80|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
			}
			text = append(text, 1, 2, 3, 4)
			text = append(text, strings.Repeat("\xff", n)...)
		}
	}

	for most := range 300 {
		m := meter{rate: 1, earned: func() int64 { return 0 }}
		for rest := text; len(rest) > 0; {
			n := min(1+rand.IntN(most+1), len(rest))
			m.count(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}

		if m.used != float64(frames) || m.have != 0 || m.skip != 0 {
			t.Fatalf("in pieces of at most %d bytes: %v frames and %d, %d bytes, want %d frames",
				most+1, m.used, m.have, m.skip, frames)
		}
	}
}

// L1: four seconds' worth at once, then the rate. Earned frames do not count, before or
// after.
func TestL1MeterRate(t *testing.T) {
	now := time.Now()
	earned := int64(10)
	m := meter{rate: 5, earned: func() int64 { return earned }, at: now}
	empty := []byte{0x8a, 0x80, 1, 2, 3, 4}
	send := func(n int) {
		for range n {
			m.count(empty)
		}
	}

	send(30)
	if d := m.wait(now); d != 0 {
		t.Errorf("20 more than earned: waits %v", d)
	}
	send(5)
	if d := m.wait(now); d != time.Second {
		t.Errorf("5 more: waits %v", d)
	}

	earned += 100
	send(100)
	now = now.Add(time.Second)
	if d := m.wait(now); d != 0 {
		t.Errorf("a second later: waits %v", d)
	}

	now = now.Add(time.Hour)
	m.wait(now)
	send(21)
	if d := m.wait(now); d != time.Second/5 {
		t.Errorf("21 an hour later: waits %v", d)
	}
}
