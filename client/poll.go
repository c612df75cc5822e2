package client

import (
	"context"
	"errors"
	"net/url"
	"time"
)

const (
	pollWait         = "25"            // seconds for which the server may hold a poll
	earlyAnswer      = time.Second     // an empty answer takes longer
	mostEarlyAnswers = 3               // answers without news that come at once
	pollPause        = 2 * time.Second // for a loop that has not taken what came
)

var errCache = errors.New("client: polls bring nothing new: is there a cache in between?")

// carryPolls runs a link over one short answer after another, until its end.
func (c *Client) carryPolls(l *link, to *url.URL) error {
	token, inRow := "", 0
	for {
		asked := time.Now()
		resp, err := c.openAnswer(l, to, token)
		if err != nil {
			return err
		}
		err = readAll(resp.Body, c.newFeeder(l)) // a block that is cut at the end does not count
		resp.Body.Close()
		if err != errEnded {
			return err
		}

		next, err := c.nextPoll(l)
		if err != nil {
			return err
		}
		switch {
		case next.news || time.Since(asked) > earlyAnswer:
			inRow = 0
		case inRow == mostEarlyAnswers:
			return errCache
		default:
			inRow++
			if err := sleep(l.ctx, earlyAnswer); err != nil {
				return err
			}
		}

		c.keep(next.kept)
		to, token = next.to, next.token
	}
}

// A pollPlan is what the owner knows about the next poll.
type pollPlan struct {
	to    *url.URL
	token string
	news  bool
	kept  *record
}

// nextPoll waits until what came has been delivered, because the next poll acknowledges
// it, but not for long: the answers to joins come by polls, too.
func (c *Client) nextPoll(l *link) (pollPlan, error) {
	plan := make(chan pollPlan, 1)
	var pause alarm
	ready := func() {
		pause.stop()
		l.whenDelivered = nil
		if l.ctx.Err() != nil {
			return // another link reads on
		}
		c.readAgain()
		l.from = c.positions()
		c.watch(l, pollTimeout)
		plan <- pollPlan{c.address.place(l.from, pollWait), l.token, l.news, c.record()}
		l.news = false
	}

	err := c.ask(l.ctx, func() {
		c.watch(l, 0)
		c.noteAcked(l.from)
		switch {
		case l.token == "":
			l.cancel(errNoHello)
		case l.drained:
			l.cancel(errEnded)
		case c.isDelivered():
			ready()
		default:
			l.whenDelivered = ready
			pause.set(c, pollPause, ready)
		}
	})
	if err != nil {
		return pollPlan{}, err
	}
	select {
	case p := <-plan:
		return p, nil
	case <-l.ctx.Done():
		return pollPlan{}, context.Cause(l.ctx)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
