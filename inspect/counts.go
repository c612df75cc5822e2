package inspect

import (
	"math/bits"
	"time"

	"github.com/mirage-go/mirage/session"
)

// rateStep is how long one step of a rate is, and rateSteps how many are kept.
const (
	rateStep  = 5 * time.Second
	rateSteps = 60
)

// A word is what is counted by reason.
type word struct {
	Kind      session.EventKind
	Transport string
	Reason    string
}

// maxWords bounds the words that are counted: OnJoin may refuse with any reason, and a
// transport has any name.
const maxWords = 256

// A rate counts the events of one step.
type rate struct {
	step                    int64 // number of the step since 1970
	appended, sent, handled uint64
}

// counts are what has happened since the Inspector began.
type counts struct {
	messages [32]uint64 // by kind of event
	again    uint64
	bytes    uint64
	words    map[word]uint64
	rates    [rateSteps]rate
	lags     [32]uint64 // by the number of bits of the lag in milliseconds
}

func (c *counts) add(now time.Time, e *session.Event) {
	n := uint64(max(1, e.Messages))
	switch e.Kind {
	case session.EventSessionEnded, session.EventLost:
		n = 1
	}
	c.messages[e.Kind] += n
	c.count(e)

	r := c.rateAt(now.UnixNano() / int64(rateStep))
	switch {
	case e.Kind == session.EventSent:
		c.again += uint64(e.Again)
		c.bytes += uint64(e.Bytes)
		r.sent += n
	case (e.Kind == session.EventAppended || e.Kind == session.EventPublished) && e.Reason == "":
		r.appended += n
	case e.Kind == session.EventHandled && e.Reason != session.ReasonRepeated:
		r.handled++
	case e.Kind == session.EventAcked && e.Duration > 0:
		c.lags[min(bits.Len64(uint64(e.Duration.Milliseconds())), len(c.lags)-1)]++
	}
}

// count counts an event by its reason, if it has one.
func (c *counts) count(e *session.Event) {
	if e.Reason == "" && e.Kind != session.EventLinkBegan {
		return
	}
	w := word{e.Kind, e.Transport, e.Reason}
	if _, ok := c.words[w]; !ok && len(c.words) >= maxWords {
		w = word{e.Kind, "", "other"}
	}
	c.words[w]++
}

func (c *counts) rateAt(step int64) *rate {
	r := &c.rates[step%rateSteps]
	if r.step != step {
		*r = rate{step: step}
	}
	return r
}

// merge adds the counts of another shard.
func (c *counts) merge(o *counts) {
	for k, n := range o.messages {
		c.messages[k] += n
	}
	c.again, c.bytes = c.again+o.again, c.bytes+o.bytes
	for w, n := range o.words {
		c.words[w] += n
	}
	for i, n := range o.lags {
		c.lags[i] += n
	}
	for _, r := range o.rates {
		mine := &c.rates[r.step%rateSteps]
		if r.step > mine.step {
			*mine = rate{step: r.step}
		}
		if r.step == mine.step {
			mine.appended, mine.sent, mine.handled = mine.appended+r.appended, mine.sent+r.sent, mine.handled+r.handled
		}
	}
}

// lag returns the lag that so many of all lags do not exceed, in milliseconds, to within
// a factor of two; 0 if none was measured.
func (c *counts) lag(part float64) int64 {
	total := uint64(0)
	for _, n := range c.lags {
		total += n
	}
	if total == 0 {
		return 0
	}
	left := uint64(part * float64(total))
	for i, n := range c.lags {
		if n > left || i == len(c.lags)-1 {
			return 1 << i
		}
		left -= n
	}
	return 0
}
