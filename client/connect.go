package client

import "time"

const (
	youngAge    = 10 * time.Second // links that end earlier, one after another, are a symptom
	worksAfter  = 2 * time.Second  // after which a transport that brings something works
	mostStrikes = 16
)

// connect begins an attempt.
func (c *Client) connect() {
	c.retry.stop()
	c.move(PhaseConnecting, nil, 0)
	c.try(c.order(false), nil)
}

// complain notes that there is no link, and waits before the next attempt.
func (c *Client) complain(err *Error) {
	c.failures++
	if err.Status == 0 { // no transport works: the network is to blame for links that ended young
		c.strikes, c.race.mute = 0, ""
		c.http.CloseIdleConnections() // they may be dead
	}
	delay := delayBefore(c.failures, err, c.o.MaxDelay)
	level := c.o.Logger.Debug
	if err.isForeign() || c.failures == 5 {
		level = c.o.Logger.Warn
	}
	level("client: cannot connect", "attempt", c.failures, "err", err, "retry", delay)
	c.wait(delay, err)
}

func (c *Client) wait(delay time.Duration, err error) {
	c.move(PhaseWaiting, err, delay)
	c.retry.set(c, delay, c.connect)
}

// renew replaces the live link by one of the same transport, without a break.
func (c *Client) renew() {
	c.renewing = true
	if c.live != nil && c.race.attempt == nil { // an attempt that is under way does it, too
		c.try([]string{c.live.name}, nil)
	}
}

// welcome makes a link the live one: its hello has come. It returns the attempt that has
// led to it, or nil.
func (c *Client) welcome(l *link) *attempt {
	for other := range c.links {
		if other != l {
			other.end(errReplaced)
		}
	}
	c.retry.stop()
	c.renewing = false
	replaced := c.live != l
	c.live = l
	c.failures = 0
	if replaced {
		c.sender.abort(c) // its request may be lost with the other link's connection
	}
	return c.won(l)
}

// over removes a link that has ended, and replaces it if it was the live one.
func (c *Client) over(l *link, err *Error) {
	if !c.links[l] {
		return
	}
	delete(c.links, l)
	l.end(err)
	c.o.Logger.Debug("client: link ended", "transport", l.name, "err", err)
	if c.phase == PhaseClosed || c.phase == PhaseIdle {
		return
	}

	// What a gateway says of one link is no reason to give up another one.
	spare := c.live != nil && c.live != l
	alone := len(c.o.Transports) == 1
	if err.isFinal() && !(spare && err.Gateway) || err.isOther() && !spare && alone {
		c.finish(err)
		return
	}
	if l != c.live {
		c.lost(l, err)
		return
	}

	r := &c.race
	age := time.Since(l.born)
	isYoung := age < youngAge && !(l.drained && l.drain > 0)
	c.strikes = min(c.strikes+1, mostStrikes)
	if !isYoung {
		c.strikes = 0
		r.doubts = 0
	}
	if !isYoung || l.spoke && age > worksAfter {
		r.worked[l.name] = true
	}
	if c.strikes > 1 || l.late && !l.spoke {
		r.mute = l.name
		r.doubts++
	}
	if l.late {
		c.http.CloseIdleConnections() // they may be dead
	}

	c.live = nil
	c.sender.abort(c)
	r.probe.stop()
	if r.attempt != nil {
		c.move(PhaseConnecting, err, 0)
		return
	}
	delay := delayBefore(c.strikes-2, err, c.o.MaxDelay)
	if c.strikes > 2 {
		c.o.Logger.Warn("client: links end young", "transport", l.name, "in a row", c.strikes, "err", err)
		delay = delayBefore(c.strikes, err, c.o.MaxDelay)
	}
	c.wait(max(delay, l.drain), err)
}
