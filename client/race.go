package client

import (
	"errors"
	"slices"
	"time"
)

const (
	fallbackAfter = 1500 * time.Millisecond // until the next transport is tried beside the first
	badFor        = 30 * time.Minute        // for which a transport that failed is tried last
	upgradeEvery  = 5 * time.Minute         // between attempts with a better transport
	upgradeSoon   = 10 * time.Second        // before the first of them, if the transport has worked
	mostDoubts    = 5
)

// race decides which transport is used: the first one whose hello comes, in order of
// preference. It belongs to the owner.
type race struct {
	attempt *attempt             // under way
	bad     map[string]time.Time // transports that are tried last, and until when
	mute    string               // the transport that says hello and then fails
	worked  map[string]bool      // transports whose links brought more than hello
	doubts  int                  // how often one of them was mute, since a link lasted
	chosen  string               // the argument of Use
	probe   alarm                // the next attempt with a better transport
}

// An attempt tries transports one after the other. Each has some time before the next one
// starts beside it. The first hello wins.
type attempt struct {
	names    []string // not tried yet
	tried    []*link
	failed   map[*link]bool
	err      *Error
	fallback alarm
	done     func(error) // tells Use; may be nil
}

var errUsed = errors.New("client: another attempt has replaced this one")

// order returns the transports, best first. With all, those that failed keep their rank.
func (c *Client) order(all bool) []string {
	rank := func(name string) int {
		switch {
		case name == c.race.chosen:
			return -1
		case !all && (time.Now().Before(c.race.bad[name]) || name == c.race.mute):
			return 1
		}
		return 0
	}
	names := slices.Clone(c.o.Transports)
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	return names
}

// try begins an attempt, in place of one that is under way.
func (c *Client) try(names []string, done func(error)) {
	c.race.cancel(errUsed)
	a := &attempt{names: names, failed: map[*link]bool{}, done: done}
	c.race.attempt = a
	c.tryNext(a)
}

func (c *Client) tryNext(a *attempt) {
	name := a.names[0]
	a.names = a.names[1:]
	c.o.Logger.Debug("client: connecting", "transport", name)
	a.tried = append(a.tried, c.open(name))
	a.fallback.stop()
	if len(a.names) > 0 {
		a.fallback.set(c, fallbackAfter, func() { c.tryNext(a) })
	}
}

// cancel ends the attempt that is under way.
func (r *race) cancel(err error) {
	a := r.attempt
	if a == nil {
		return
	}
	r.attempt = nil
	a.fallback.stop()
	for _, l := range a.tried {
		if l.token == "" {
			l.end(err)
		}
	}
	a.tell(err)
}

// won notes that a link has its hello, and returns the attempt that it ends, or nil.
func (c *Client) won(l *link) *attempt {
	r := &c.race
	delete(r.bad, l.name)
	a := r.attempt
	if a == nil || !slices.Contains(a.tried, l) { // a link that polls, or of an earlier attempt
		return nil
	}
	r.attempt = nil
	a.fallback.stop()

	// A transport that failed where another one works is tried last from now on.
	for _, failed := range a.tried[:slices.Index(a.tried, l)] {
		c.avoid(failed.name, l.name)
	}
	c.avoid(r.mute, l.name)
	r.mute = ""
	return a
}

// tell tells Use how the attempt has ended.
func (a *attempt) tell(err error) {
	if a != nil && a.done != nil {
		a.done(err)
	}
}

func (c *Client) avoid(name, winner string) {
	if name != "" && name != winner && !c.race.worked[name] {
		c.race.bad[name] = time.Now().Add(badFor)
	}
}

// lost notes that a link ended before its hello.
func (c *Client) lost(l *link, err *Error) {
	a := c.race.attempt
	if a == nil || !slices.Contains(a.tried, l) {
		return
	}
	a.failed[l], a.err = true, err
	if err.Status != 0 && !err.isOther() {
		a.names = nil // the next transport would get the same answer
		a.fallback.stop()
	}
	switch {
	case len(a.names) > 0 && l == a.tried[len(a.tried)-1]:
		c.tryNext(a)
	case len(a.names) == 0 && len(a.failed) == len(a.tried):
		c.race.attempt = nil
		a.tell(err)
		switch {
		case c.live == nil && c.phase == PhaseConnecting:
			c.complain(err)
		case c.live != nil && c.renewing:
			c.failures++
			c.retry.set(c, delayBefore(c.failures, err, c.o.MaxDelay), c.renew)
		}
	}
}

// improve tries to reach a better transport from time to time.
func (c *Client) improve(name string) {
	r := &c.race
	better := c.order(true)[0]
	r.probe.stop()
	if better == name {
		return
	}
	in := upgradeEvery
	if r.worked[better] {
		in = min(upgradeSoon<<min(r.doubts, mostDoubts), in)
	}
	r.probe.set(c, in, func() {
		if c.live != nil && c.race.attempt == nil {
			c.try([]string{better}, nil)
		}
		c.improve(name)
	})
}

// prefer is Use.
func (c *Client) prefer(name string, result chan error) {
	if c.phase == PhaseClosed {
		result <- c.ended()
		return
	}
	before := c.race.chosen
	c.race.chosen = name
	if c.phase == PhaseIdle {
		result <- nil
		return
	}
	names := []string{name}
	if name == "" {
		names = c.order(true)
	}
	if c.live != nil && c.live.name == names[0] {
		result <- nil
		return
	}

	c.retry.stop()
	if c.live == nil {
		c.move(PhaseConnecting, nil, 0)
	}
	c.try(names, func(err error) {
		if err != nil && c.race.chosen == name {
			c.race.chosen = before
		}
		result <- err
	})
}
