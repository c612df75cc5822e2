package client

import (
	"errors"
	"slices"
	"strings"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

const mostOthers = 64 // topics without a room

// A topicState is what the client knows about its place in a topic:
//
//	topicJoining ──mirage-joined──▶ topicJoined
//	     │  ▲                           │  │
//	     │  └───refused for a while─────┘  │
//	     └─────────▶ topicLeft ◀───────────┘
//
// A topic without a room, which the server has let the session join, is topicJoined. One
// that was left stays until the next link, because some of it may be under way.
type topicState int

const (
	topicJoining topicState = iota
	topicJoined
	topicLeft
)

// A topic is one that the client reads. It belongs to the owner.
type topic struct {
	name     string // or the beginning of its positions, until a message names it
	state    topicState
	room     *Room  // nil if the client has not joined it itself
	whole    bool   // the session has joined it: messages came while there was no room
	came     string // the component up to where everything came
	position string // up to where everything was delivered; "" if not known
	begin    string // where the room began, which counts until something was delivered
	acked    string // the last component that the server was told
	repeats  bool   // an earlier client, which crashed, may have delivered what comes

	growing []*growing // oldest first
	members members

	join
}

// newTopic adds a topic, perhaps in place of one that was left. whole says that the
// session has joined it.
func (c *Client) newTopic(name string, whole bool) *topic {
	t := &topic{name: name, whole: whole}
	if whole {
		t.state = topicJoined
		c.evictOthers()
	}
	c.topics[name] = t
	return t
}

// evictOthers bounds the topics that the client has not joined itself: it evicts any of
// them. A server that is not ours may name one after another.
func (c *Client) evictOthers() {
	var others []*topic
	for _, t := range c.topics {
		if t.room == nil {
			others = append(others, t)
		}
	}
	if len(others) >= mostOthers {
		delete(c.topics, others[0].name)
	}
}

// findTopic returns the topic of a block. If the name is missing, the component shows it.
func (c *Client) findTopic(name, id string) *topic {
	if t := c.topics[name]; t != nil && name != "" {
		return t
	}
	beginning, _ := epochAndNumber(id)
	for _, t := range c.topics {
		if at, _ := epochAndNumber(t.came); id != "" && at == beginning {
			if name != "" {
				delete(c.topics, t.name)
				t.name = name
				c.topics[name] = t
			}
			return t
		}
	}
	return nil
}

// positions returns the position of the client: that of its session, followed by the
// components of topics. What would make it too long is left out.
func (c *Client) positions() string { return c.positionsOf(func(*topic) bool { return true }) }

func (c *Client) positionsOf(isWanted func(*topic) bool) string {
	var text strings.Builder
	text.WriteString(c.position)
	for _, withRoom := range []bool{true, false} {
		for _, t := range c.topics {
			if (t.room != nil) == withRoom && t.state != topicLeft && isWanted(t) &&
				text.Len()+len(t.position) <= store.MaxPositions {
				text.WriteString(t.position)
			}
		}
	}
	return text.String()
}

// acknowledgement is positions without the components that the server was told.
func (c *Client) acknowledgement() string {
	return c.positionsOf(func(t *topic) bool { return t.position != t.acked })
}

// noteAcked notes that the server was told the positions in a text.
func (c *Client) noteAcked(text string) {
	_, all, _ := strings.Cut(text, "_")
	components := strings.Split(all, "_")
	for _, t := range c.topics {
		if t.position != "" && slices.Contains(components, t.position[1:]) {
			t.acked = t.position
		}
	}
}

var (
	errTopicName = errors.New("client: the server has sent a topic with a name that is not allowed")
	errGrowing   = errors.New("client: a topic has more growing messages than the client can keep")
)

// takeTopic takes a block of a topic.
func (c *Client) takeTopic(l *link, e *event) error {
	var joined *frame.Joined
	var left *frame.Left
	var present *frame.Members
	var err error
	switch e.Name {
	case frame.EventJoined:
		if joined, err = control[frame.Joined](e); err == nil {
			e.topic = joined.Topic
		}
	case frame.EventLeft:
		if left, err = control[frame.Left](e); err == nil {
			e.topic = left.Topic
		}
	case frame.EventMembers:
		var m frame.Members
		m, err = frame.ParseMembers(e.Data)
		present, e.topic = &m, m.Topic
	}
	if err != nil {
		return err
	}
	if e.topic != "" && store.CheckTopic(e.topic) != nil {
		return errTopicName
	}

	l.news = true
	t := c.findTopic(e.topic, e.ID)
	if t == nil && left == nil && present == nil {
		name := e.topic
		if name == "" {
			name, _ = epochAndNumber(e.ID)
		}
		t = c.newTopic(name, true)
	}
	switch {
	case t == nil || t.state == topicLeft:
		return nil
	case left != nil:
		c.takeLeft(t, left)
	case present != nil:
		t.members.take(present)
		t.tellMembers()
	default:
		err = c.takeOf(t, e)
		if joined != nil {
			c.joined(t, joined)
		}
	}
	return err
}

// takeOf takes a block that may move the component of a topic.
func (c *Client) takeOf(t *topic, e *event) error {
	epoch, seq := epochAndNumber(t.came)
	other, n := epochAndNumber(e.ID)
	isKnown := e.ID != "" && epoch == other && n <= seq
	if isKnown && c.live.name != Poll { // the server does not know that it came
		t.acked = ""
		c.countDelivered()
	}
	if isKnown && e.Grow < 0 {
		return nil
	}

	box := &c.inbox
	if t.room != nil {
		box = &t.room.inbox
	}
	switch {
	case box.behind:
		return nil
	case e.isMessage() && e.Grow < 0:
		if !box.hasRoom(len(e.Data)) {
			return nil
		}
	case (e.isMessage() || e.gap != nil) && !box.hasExtraRoom(len(e.Data)):
		if e.ID == "" {
			return errGrowing
		}
		return nil
	}
	if !isKnown && e.ID != "" {
		t.came = e.ID
	}

	it := &item{}
	if !isKnown {
		it.position = e.ID
	}
	switch {
	case e.gap != nil:
		if epoch != other && !(e.ID == "" && e.gap.To > 0) {
			seq = 0 // the numbers are of another epoch
		}
		if e.gap.To > 0 && e.gap.To <= seq {
			it.silent = true
		} else {
			reason := shorten(e.gap.Reason)
			it.err = &LostError{Topic: t.name, From: max(e.gap.From, seq+1), To: e.gap.To, Reason: reason}
		}
	case e.isMessage() && e.Grow >= 0:
		var isNew bool
		it.message, isNew = t.grow(e, n, isKnown)
		it.silent = !isNew
	case e.isMessage():
		it.message = e.message()
	default:
		it.silent = true
	}
	if it.silent && it.position == "" {
		return nil
	}
	it.message.Again = t.repeats
	it.topic = t
	box.push(it)
	return nil
}
