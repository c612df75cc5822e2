package downstream_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/downstream"
)

// silent is a connection of which nobody hangs up.
type silent struct {
	net.Conn
	gone chan struct{}
}

func (c *silent) Read([]byte) (int, error)         { <-c.gone; return 0, io.EOF }
func (c *silent) Close() error                     { close(c.gone); return nil }
func (c *silent) SetDeadline(time.Time) error      { return nil }
func (c *silent) SetWriteDeadline(time.Time) error { return nil }

// taken returns a way out over a connection that was taken over, and how often it was closed.
func taken(t *testing.T, w *downstream.Writers) (*downstream.Hijacked, *atomic.Int32) {
	closed := new(atomic.Int32)
	out, err := w.Hijack(hijackable{conn: &silent{gone: make(chan struct{})}}, time.Minute, func() { closed.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	return out, closed
}

// L2: drain functions that hang, any number of them and wherever in the line, delay nobody else's. When they return, nothing is left.
func TestL2WritersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w downstream.Writers
		hang := make(chan struct{})
		var hung, ran atomic.Int32
		outs := make([]*downstream.Hijacked, 300)
		for i := range outs {
			outs[i], _ = taken(t, &w)
		}
		for i, out := range outs {
			if i%3 == 0 {
				out.Kick(func() { hung.Add(1); <-hang })
			} else {
				out.Kick(func() { ran.Add(1) })
			}
		}
		synctest.Wait()
		if hung.Load() != 100 || ran.Load() != 200 {
			t.Errorf("%d hang, %d ran", hung.Load(), ran.Load())
		}
		for _, out := range outs { // again, those that hang included
			out.Kick(func() { ran.Add(1) })
		}
		synctest.Wait()
		if ran.Load() != 400 {
			t.Errorf("%d ran", ran.Load())
		}
		close(hang)
		synctest.Wait()
		if hung.Load() != 200 { // each runs once more what it ran
			t.Errorf("%d hung", hung.Load())
		}
		for _, out := range outs {
			out.Close()
		}
	})
}

// P1: any number of kicks before drain begins are one; one while it runs lets it run once
// more; after Close nothing runs.
func TestP1Kicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w downstream.Writers
		out, closed := taken(t, &w)
		n := 0
		var drain func()
		drain = func() {
			if n++; n < 5 {
				out.Kick(drain)
				out.Kick(drain)
			}
		}
		out.Kick(drain)
		out.Kick(drain)
		synctest.Wait()
		if n != 5 {
			t.Errorf("ran %d times", n)
		}
		out.Kick(func() { n++; out.Close(); out.Kick(drain); out.Close() })
		synctest.Wait()
		out.Kick(drain)
		synctest.Wait()
		if n != 6 || closed.Load() != 1 {
			t.Errorf("ran %d times, closed %d times", n, closed.Load())
		}
	})
}

// P1: a drain function that panics closes its own way out and leaves the others alone.
func TestP1BrokenDrain(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	synctest.Test(t, func(t *testing.T) {
		var w downstream.Writers
		bad, closed := taken(t, &w)
		good, _ := taken(t, &w)
		ran := 0
		bad.Kick(func() { panic(errors.New("no")) })
		good.Kick(func() { ran++ })
		synctest.Wait()
		if ran != 1 || closed.Load() != 1 {
			t.Errorf("ran %d, closed %d", ran, closed.Load())
		}
		good.Close()
	})
}

// P1: on one processor, whoever is ready to run waits for a few writes, not for all that
// are due.
func TestP1WritersYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var w downstream.Writers
	var ran, seen atomic.Int32
	outs := make([]*downstream.Hijacked, 2000)
	for i := range outs {
		outs[i], _ = taken(t, &w)
		defer outs[i].Close()
	}
	done, turned := make(chan struct{}), make(chan struct{})
	go func() { seen.Store(ran.Load()); close(turned) }()
	for _, out := range outs {
		out.Kick(func() {
			if int(ran.Add(1)) == len(outs) {
				close(done)
			}
		})
	}
	<-done
	<-turned
	if int(seen.Load()) == len(outs) {
		t.Error("the other goroutine had no turn before all was written")
	}
}
