package client

import (
	"context"
	"time"
)

// run calls the functions that reach the goroutine that owns the client's state, one at a
// time, until the client has been closed. Everything that is said to belong to the owner
// is only used in these functions.
func (c *Client) run() {
	defer close(c.done)
	for !c.released {
		f := <-c.calls
		f()
	}
}

// post lets the owner call f. It returns when the owner has begun to, and reports false
// if there is no owner any more. The owner itself must not call post.
func (c *Client) post(f func()) bool {
	select {
	case c.calls <- f:
		return true
	case <-c.done:
		return false
	}
}

// ask is post for callers with a context.
func (c *Client) ask(ctx context.Context, f func()) error {
	select {
	case c.calls <- f:
		return nil
	case <-c.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// An alarm lets the owner call a function after a delay. It belongs to the owner. Its
// zero value is not set.
type alarm struct {
	timer *time.Timer
	turn  int // of the last set or stop: an alarm that fired before it does nothing
}

// set replaces the function and the delay.
func (a *alarm) set(c *Client, d time.Duration, f func()) {
	a.stop()
	turn := a.turn
	a.timer = time.AfterFunc(max(d, 0), func() {
		c.post(func() {
			if a.turn == turn {
				a.timer = nil
				f()
			}
		})
	})
}

func (a *alarm) stop() {
	a.turn++
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}

func (a *alarm) isSet() bool { return a.timer != nil }
