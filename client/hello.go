package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
)

// An event is a block of the wire. Control events are parsed.
type event struct {
	frame.Event
	control bool
	topic   string // that the block is about, or ""
	gap     *frame.Gap
}

// isMessage reports whether the block is a message of an application.
func (e *event) isMessage() bool { return !e.control && e.Data != nil }

func (e *event) message() Message {
	return Message{Event: e.Name, Data: e.Data, Binary: e.Binary, Topic: e.Topic, Key: e.Key}
}

// takeAll takes the blocks that a link has brought. An error ends the link.
func (c *Client) takeAll(l *link, blocks []frame.Event) {
	l.heard = time.Now()
	for i := range blocks {
		if l.ctx.Err() != nil {
			return // what comes while it ends does not count
		}
		c.noteSpoke(l)
		if err := c.take(l, &blocks[i]); err != nil {
			l.cancel(err)
			return
		}
	}
}

func (c *Client) take(l *link, b *frame.Event) error {
	e := &event{Event: *b, control: strings.HasPrefix(b.Name, frame.EventHello), topic: b.Topic}
	if !e.HasID {
		e.ID = ""
	}
	if e.Name == frame.EventHello {
		h, err := control[frame.Hello](e)
		if err != nil {
			return err
		}
		return c.greet(l, h, e.ID)
	}
	if l != c.live {
		return nil // it was replaced, or has not said hello
	}

	switch e.Name {
	case frame.EventAck:
		return c.takeAck(l, e)
	case frame.EventDrain:
		drain, err := control[frame.Drain](e)
		if err != nil {
			return err
		}
		l.news, l.drained = true, true
		l.drain = min(max(0, time.Duration(drain.Retry)*time.Millisecond), longestDelay)
		return nil
	case frame.EventEnd:
		end, err := control[frame.End](e)
		if err != nil {
			return err
		}
		return &Error{Status: end.Status, Detail: shorten(end.Reason), isEnd: true}
	case frame.EventGap:
		gap, err := control[frame.Gap](e)
		if err != nil {
			return err
		}
		e.gap, e.topic = gap, gap.Topic
	case frame.EventJoined, frame.EventLeft, frame.EventMembers:
		return c.takeTopic(l, e)
	}
	switch {
	case e.topic != "" || strings.HasPrefix(e.ID, "_"):
		return c.takeTopic(l, e)
	case e.HasID:
		return c.receive(l, e)
	}
	return nil
}

// control returns the data of a control event.
func control[T any](e *event) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(e.Data, v); err != nil {
		return nil, fmt.Errorf("client: the data of %s is malformed", e.Name)
	}
	return v, nil
}

// epochAndNumber splits the position of a session, or of a topic. The number counts
// within its epoch only.
func epochAndNumber(position string) (epoch string, n uint64) {
	epoch, number, _ := strings.Cut(position, "-")
	number, _, _ = strings.Cut(number, ".")
	n, _ = strconv.ParseUint(number, 10, 64)
	return epoch, n
}

var errHello = errors.New("client: hello has no position, id or token")

// greet makes a link the live one, at the position that its hello says.
func (c *Client) greet(l *link, h *frame.Hello, id string) error {
	position, _, _ := strings.Cut(id, "_") // the rest repeats the positions in topics
	epoch, seq := epochAndNumber(c.came)
	now, n := epochAndNumber(position)
	if now == "" || h.ID == "" || h.Link == "" {
		return errHello
	}

	// This hello may be about a position in another epoch, which another link's hello has
	// replaced meanwhile.
	presented, _ := epochAndNumber(sessionPart(l.from))
	old := epoch == now && presented != epoch
	resumed := old || h.Resumed
	lost := h.Lost
	if old || h.Reason == "trimmed" { // what was trimmed comes as a gap of its own
		lost = nil
	}

	known := c.id
	if known != "" && known != h.ID && known != h.Previous { // the messages were written under another id
		c.id = h.ID
		c.giveBack(c.outbox.queue, &Error{Status: 409, Detail: "the id has changed"}, known)
	}
	if !resumed { // this server cannot know whether it had them
		for _, m := range c.outbox.queue {
			m.again = m.tried
		}
	}
	switch {
	case epoch != now:
		c.repeats = repeats{}
	case c.repeats.unknown:
		c.repeats = repeats{upTo: h.Sent}
	}
	if lost != nil || epoch != now || n > seq || !resumed && h.Reason != "trimmed" {
		c.reset(position)
	}

	c.id, c.address.was = h.ID, h.ID
	if c.address.askSigned && h.Mirage != "" {
		c.address.signed = h.Mirage
	}
	l.news = l.news || l.token == "" // a cache may repeat it
	l.token = h.Link
	l.beat = min(max(0, time.Duration(h.Heartbeat)*time.Millisecond), longestDelay)
	l.born = time.Now()
	attempt := c.welcome(l)
	c.readAgain()
	if l.name != Poll {
		if l.beat > 0 { // the second event, a second later, proves that no proxy holds the stream back
			c.watch(l, secondSign)
		}
		c.sender.due = true // an acknowledgement on this link ends an older one that died unnoticed
	}
	c.rejoin(l)
	c.accept(c.address.cid, h.Accepted)
	c.move(PhaseOpen, nil, 0)
	c.tellOpened(nil)
	attempt.tell(nil)
	if lost != nil {
		c.inbox.pushLost(&LostError{From: lost.From, To: lost.To, Reason: shorten(h.Reason)})
	}
	c.improve(l.name)
	c.sender.resume()
	c.pump()
	return nil
}

func sessionPart(positions string) string {
	session, _, _ := strings.Cut(positions, "_")
	return session
}
