package session

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Each alarm rings once, when it is due, and alarms ring in the order of their times. A
// cancelled alarm does not ring. One that is set again rings at the later setting.
func TestWheel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w alarmClock
		var mu sync.Mutex
		start := time.Now()
		rang := make(map[int]time.Duration)
		alarms := make([]alarm, 200)
		due := make([]time.Duration, len(alarms))

		for i := range alarms {
			alarms[i].ring = func() {
				mu.Lock()
				defer mu.Unlock()
				if _, twice := rang[i]; twice {
					t.Errorf("alarm %d rang twice", i)
				}
				rang[i] = time.Since(start)
			}
			due[i] = time.Duration(rand.IntN(1000)) * time.Second
			w.set(&alarms[i], due[i])
		}

		for i := 0; i < len(alarms); i += 3 {
			w.cancel(&alarms[i])
			w.cancel(&alarms[i])
		}
		for i := 1; i < len(alarms); i += 3 {
			due[i] = time.Duration(rand.IntN(1000)) * time.Second
			w.set(&alarms[i], due[i])
		}
		w.sooner(&alarms[2], due[2]+time.Second)
		w.sooner(&alarms[5], due[5]/2)
		due[5] /= 2

		time.Sleep(1001 * time.Second)
		synctest.Wait()
		for i := range alarms {
			at, ok := rang[i]
			if ok != (i%3 != 0) || ok && at != due[i] {
				t.Errorf("alarm %d rang %v at %v, set for %v", i, ok, at, due[i])
			}
		}
	})
}

// An alarm may set itself again; after stop nothing rings and nothing can be set.
func TestWheelStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w alarmClock
		n := 0
		var a alarm
		a.ring = func() { n++; w.set(&a, time.Second) }
		w.set(&a, time.Second)
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		w.stop()
		w.set(&a, time.Second)
		w.cancel(&a)
		time.Sleep(time.Minute)
		if n != 10 {
			t.Errorf("rang %d times", n)
		}
	})
}

// Functions run one at a time, in the order of the calls, and do returns after its own
// has run.
func TestSerial(t *testing.T) {
	var s serial
	var order []int
	first := make(chan struct{})
	go s.do(func() { close(first); order = append(order, 0) })
	<-first
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			done := false
			s.do(func() { order = append(order, len(order)); done = true })
			if !done {
				t.Error("do returned before its function ran")
			}
		})
	}
	wg.Wait()
	s.do(func() {})
	for i, v := range order {
		if i != v {
			t.Fatalf("order %v", order)
		}
	}
}

// L1: the bucket gives burst tokens at once and rate tokens a second, and returns how
// long to wait.
func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		start := time.Now()
		take := func(rate, burst int) time.Duration { return b.take(int64(time.Since(start)), rate, burst) }

		taken := 0
		for ; take(50, 200) == 0; taken++ {
		}
		if taken != 200 {
			t.Errorf("burst of %d", taken)
		}
		if wait := take(50, 200); wait < 19*time.Millisecond || wait > 21*time.Millisecond {
			t.Errorf("wait %v", wait)
		}

		time.Sleep(time.Second)
		for taken = 0; take(50, 200) == 0; taken++ {
		}
		if taken < 49 || taken > 51 {
			t.Errorf("%d after a second", taken)
		}

		time.Sleep(time.Hour)
		for taken = 0; take(50, 200) == 0; taken++ {
		}
		if taken != 200 {
			t.Errorf("burst of %d after an hour", taken)
		}

		if take(-1, 200) != 0 {
			t.Error("a negative rate is no bound")
		}
	})
}
