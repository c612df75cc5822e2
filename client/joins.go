package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

const (
	unanswered     = 15 * time.Second // after which the server is asked again
	longestInfo    = 1 << 10          // bytes
	largestRequest = 3 << 10          // bytes of data in a block
	mostRequests   = 5                // blocks in a body
	mostNames      = 200              // in a body
)

// The places where a Room may begin.
const (
	FromNow   = "now"   // after the last message
	FromStart = "start" // with everything that the topic retains
)

// JoinOptions say how to join a topic. The zero value works.
type JoinOptions struct {
	// From is where the room begins: FromNow, FromStart, or a position in the topic. If
	// Options.Persist has a place from an earlier client, the room begins there. Empty
	// means FromNow.
	From string
	// Info is what other members learn about this one. It is sent as JSON of at most 1
	// KiB. Nil means nothing.
	Info any
	// OnMembers is called after each change of Room.Members, one call at a time, on a
	// goroutine of its own. The first call may come before Join returns. If it is slow,
	// it is called with the last of several changes. It is called only if the topic tells
	// who is present.
	OnMembers func(Members)
}

// join is the part of a topic that asks for the membership. A join belongs to one link,
// so the client asks again for each topic when a new link has said hello.
type join struct {
	from  string
	info  json.RawMessage
	ask   bool // the next request asks the server to join
	asked bool // the server was asked on this link, and may have joined the client
	owed  bool // the server has not answered
	tries int  // how many times in a row the server refused it for a while
	until time.Time
	timer alarm // asks after a refusal, or again if the server does not answer
}

var errJoined = errors.New("client: this client has a room of that topic already")

// Join joins a topic, and returns when the client is caught up: what the topic retained
// at the join waits in Room.Messages. It returns an *Error if the server has refused the
// join, and tries again after the statuses 429 and 503. If ctx ends before, the topic is
// left. A client has one room for each topic.
func (c *Client) Join(ctx context.Context, name string, o JoinOptions) (*Room, error) {
	if err := store.CheckTopic(name); err != nil {
		return nil, err
	}
	if o.From == "" {
		o.From = FromNow
	} else if _, err := store.ParseTopicPosition(o.From); err != nil && o.From != FromNow && o.From != FromStart {
		return nil, fmt.Errorf("client: JoinOptions.From is %q, %q or a position, not %.40q",
			FromNow, FromStart, o.From)
	}
	var info json.RawMessage
	if o.Info != nil {
		var err error
		if info, err = json.Marshal(o.Info); err != nil {
			return nil, fmt.Errorf("client: JoinOptions.Info: %w", err)
		}
		if len(info) > longestInfo {
			return nil, fmt.Errorf("client: JoinOptions.Info has %d bytes of JSON, at most %d are allowed",
				len(info), longestInfo)
		}
	}

	r := &Room{c: c, name: name, onMembers: o.OnMembers}
	r.inbox.c = c
	ready := make(chan error, 1)
	if err := c.ask(ctx, func() {
		r.ready = append(r.ready, ready)
		if err := c.enter(r, o.From, info); err != nil {
			ready <- err
		}
	}); err != nil {
		return nil, err
	}
	select {
	case err := <-ready:
		if err != nil {
			return nil, err
		}
		return r, nil
	case <-ctx.Done():
		r.Leave()
		return nil, context.Cause(ctx)
	case <-c.done:
		return nil, ErrClosed
	}
}

// enter adds a room.
func (c *Client) enter(r *Room, from string, info json.RawMessage) error {
	if c.phase == PhaseClosed {
		return c.ended()
	}
	old := c.topics[r.name]
	if old != nil && old.room != nil {
		return errJoined
	}

	// What is under way of a membership that was left cannot be told from the new one. So
	// that one begins on a link of its own.
	wasLeft := old != nil && old.state == topicLeft
	t := old
	if old == nil || wasLeft {
		t = c.newTopic(r.name, false)
		if place := c.places[r.name]; place != "" && !wasLeft {
			from = place
			t.repeats = c.unclear
		}
		delete(c.places, r.name)
	}
	t.state, t.room, t.from, t.info = topicJoining, r, from, info
	if t.came == "" && from != FromNow && from != FromStart {
		t.came, t.position = from, from
	}
	if wasLeft && c.live != nil {
		t.state, t.asked = topicLeft, true // until the new link has said hello
		c.renew()
		return nil
	}
	c.schedule(t)
	c.pump()
	return nil
}

// leave ends a room.
func (c *Client) leave(r *Room) {
	t := c.topics[r.name]
	if t == nil || t.room != r {
		return
	}
	t.timer.stop()
	t.room, t.ask = nil, false
	r.inbox.items, r.inbox.bytes = nil, 0
	c.endRoomOf(r, ErrClosed, nil)
	if c.live != nil && t.asked {
		c.leaves[t.name] = true
	}
	switch {
	case t.whole:
		t.state = topicJoined
	case c.live != nil && t.asked:
		t.state = topicLeft
	default:
		delete(c.topics, t.name)
	}
	c.pump()
}

// endRoom ends the room of a topic because of err.
func (c *Client) endRoom(t *topic, err error) {
	t.timer.stop()
	t.ask = false
	r := t.room
	if r == nil {
		return
	}
	t.room = nil
	if c.topics[t.name] == t {
		delete(c.topics, t.name)
	}
	c.endRoomOf(r, c.endedBy(err), err)
}

func (c *Client) endedBy(err error) error {
	if err == nil {
		return ErrClosed
	}
	return err
}

// endRoomOf tells Join, and the loop.
func (c *Client) endRoomOf(r *Room, joining, loop error) {
	for _, ready := range r.ready {
		ready <- joining
	}
	r.ready = nil
	r.inbox.end(loop)
}

// schedule asks the server to join, as soon as it may be asked.
func (c *Client) schedule(t *topic) { c.askAfter(t, time.Until(t.until)) }

func (c *Client) askAfter(t *topic, d time.Duration) {
	t.timer.stop()
	t.ask = d <= 0
	if !t.ask {
		t.timer.set(c, d, func() {
			t.ask, t.owed = true, false
			c.pump()
		})
	}
}

// rejoin asks for all rooms again: the link has said hello.
func (c *Client) rejoin(l *link) {
	clear(c.leaves)
	for name, t := range c.topics {
		t.timer.stop()
		t.acked = ""
		t.ask, t.asked, t.owed = false, false, false
		switch {
		case t.room != nil:
			if t.state == topicLeft {
				t.state = topicJoining
			}
			c.schedule(t)
		case t.state == topicLeft:
			delete(c.topics, name)
		}
	}
	c.noteAcked(l.from)
}

// joined notes that the server has joined the client to a topic.
func (c *Client) joined(t *topic, about *frame.Joined) {
	t.timer.stop()
	t.state = topicJoined
	t.owed, t.tries, t.until = false, 0, time.Time{}
	t.repeats = false
	if t.position == "" && t.from == FromNow {
		t.begin = about.Position
	}
	if t.members.key != about.Key {
		t.members.key = about.Key
		if t.members.count > 0 {
			t.tellMembers()
		}
	}
	if t.room == nil {
		return
	}
	for _, ready := range t.room.ready {
		ready <- nil
	}
	t.room.ready = nil
}

func (c *Client) takeLeft(t *topic, left *frame.Left) {
	c.refuse(t, &Error{
		Status: left.Status, Detail: shorten(left.Reason),
		RetryAfter: min(time.Duration(max(0, left.Retry))*time.Millisecond, longestDelay),
	})
}

// refuse notes that the server has not joined the client to a topic, or not any more.
// After 429 and 503 the client asks again later, otherwise the room has ended.
func (c *Client) refuse(t *topic, err *Error) {
	t.owed = false
	if t.room == nil || err.Status != 429 && err.Status != 503 {
		if t.room == nil {
			delete(c.topics, t.name)
		}
		c.endRoom(t, err)
		return
	}
	t.tries++
	delay := delayAfterRefusal(t.tries, err.RetryAfter, c.o.MaxDelay)
	t.until = time.Now().Add(delay)
	t.state = topicJoining
	c.o.Logger.Debug("client: a join was refused", "topic", t.name, "attempt", t.tries, "err", err, "retry", delay)
	c.schedule(t)
}

// refuseAll notes that the server does not take the requests.
func (c *Client) refuseAll(a *asked, err *Error) {
	for _, t := range a.topics {
		if c.topics[t.name] == t {
			c.refuse(t, err)
		}
	}
}

// refuseOwed notes that the server has refused a frame with requests.
func (c *Client) refuseOwed(err *Error) {
	for _, t := range c.topics {
		if t.owed {
			c.refuse(t, err)
		}
	}
}

// An asked is what one body asks for.
type asked struct {
	blocks []byte
	names  []string // to leave
	topics []*topic // to join
}

func (c *Client) hasRequests() bool {
	if len(c.leaves) > 0 {
		return true
	}
	for _, t := range c.topics {
		if t.ask && t.room != nil {
			return true
		}
	}
	return false
}

// takeRequests returns the blocks that ask for what is due, or nil if nothing is.
func (c *Client) takeRequests(l *link) *asked {
	if !c.hasRequests() {
		return nil
	}
	a := &asked{}
	blocks, size := 0, 0
	// fits reports whether there is room for another name, and ends the block if not.
	fits := func(more int, isEmpty bool, end func()) bool {
		if len(a.names)+len(a.topics) == mostNames {
			return false
		}
		if isEmpty || size+more > largestRequest {
			end()
			if blocks == mostRequests {
				return false
			}
			blocks++
			size = 0
		}
		size += more
		return true
	}

	var leave frame.Leave
	endLeave := func() {
		if len(leave.Topics) > 0 {
			a.blocks = frame.AppendLeave(a.blocks, &leave)
			leave.Topics = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.leaves)) {
		if !fits(len(name)+3, len(leave.Topics) == 0, endLeave) {
			break
		}
		leave.Topics = append(leave.Topics, name)
		a.names = append(a.names, name)
		delete(c.leaves, name)
	}
	endLeave()

	var joins frame.Join
	endJoin := func() {
		if len(joins.Topics) > 0 {
			a.blocks = frame.AppendJoin(a.blocks, &joins)
			joins.Topics = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.topics)) {
		t := c.topics[name]
		if !t.ask || t.room == nil {
			continue
		}
		from := cmp.Or(t.position, t.came, t.from) // what came and was not delivered is in the inbox
		if !fits(len(name)+len(from)+len(t.info)+40, len(joins.Topics) == 0, endJoin) {
			break
		}
		joins.Topics = append(joins.Topics, frame.JoinTopic{Topic: name, From: from, Info: t.info})
		a.topics = append(a.topics, t)
		c.askAfter(t, unanswered)
		t.owed, t.asked = true, true
	}
	endJoin()
	return a
}

// askAgain takes back requests that failed.
func (c *Client) askAgain(a *asked) {
	for _, name := range a.names {
		c.leaves[name] = true
	}
	for _, t := range a.topics {
		if c.topics[t.name] == t && t.room != nil && t.owed {
			t.owed = false
			c.schedule(t)
		}
	}
}
