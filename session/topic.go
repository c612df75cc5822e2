package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mirage-go/mirage/store"
)

// A Topic is a named log (a room, a channel) that any number of sessions read: see
// Manager.Topic. It is a handle: cheap, and safe for concurrent use.
type Topic struct {
	m     *Manager
	store store.Topic // nil if err is set
	name  string
	o     TopicOptions
	err   error // why every method fails
}

// Topic returns the topic of that name, without I/O. A topic begins when it is first
// used, and is forgotten once it was not used for TopicOptions.Age. If the name is not
// allowed, every method returns an error that wraps store.ErrTopic. If the Store has no
// topics, it is store.ErrUnsupported.
func (m *Manager) Topic(name string) *Topic {
	t := &Topic{m: m, name: name, err: store.CheckTopic(name)}
	if t.err != nil {
		return t
	}
	topics, ok := m.store.(store.TopicStore)
	if !ok {
		t.err = fmt.Errorf("%w: it has no topics", store.ErrUnsupported)
		return t
	}
	t.o = m.topicOptions(name)
	t.store = topics.Topic(name, t.o.bounds())
	return t
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Publish appends a message, and returns the position after it. A nil error means that
// every member will get the message or be told of a gap. Publish waits for no member.
//
// The error is store.ErrFull if Options.Budget has no room for the message, ErrTooLarge,
// store.ErrEvent or store.ErrKey if msg is invalid, and ErrClosed after Shutdown. After
// store.ErrUncertain the message may be in the topic.
func (t *Topic) Publish(ctx context.Context, msg store.Message) (store.TopicPosition, error) {
	return t.publish(ctx, store.Publication{Message: &msg})
}

func (t *Topic) publish(ctx context.Context, p store.Publication) (store.TopicPosition, error) {
	switch {
	case t.err != nil:
		return store.TopicPosition{}, t.err
	case !t.m.isOpen():
		return store.TopicPosition{}, ErrClosed
	}
	began := t.m.stopwatch()
	if err := t.m.checkMessage(p.Message); err != nil {
		t.m.emitAppended(Event{Topic: t.name}, p.Message, began, err)
		return store.TopicPosition{}, err
	}

	at, err := t.publishTraced(ctx, p)
	if t.m.observed() || err != nil {
		t.m.emitAppended(Event{Topic: t.name, To: at.Seq}, p.Message, began, err)
	}
	if err == nil {
		t.m.clock.sooner(&t.m.sweeper, t.o.Age)
	}
	return at, err
}

// publishTraced appends p, followed by the Tracer if there is one.
func (t *Topic) publishTraced(ctx context.Context, p store.Publication) (store.TopicPosition, error) {
	if t.m.tracer == nil {
		return t.store.Publish(ctx, p)
	}
	ctx, done := t.m.trace(ctx, Event{Kind: EventPublished, Topic: t.name, Bytes: int64(len(p.Message.Data))})
	at, err := t.store.Publish(ctx, p)
	done(err)
	return at, err
}

// Position returns the position after the last message. A page that the server renders
// passes it on: the page joins After it, and nothing falls between rendering and
// connecting. A page that also shows what the topic retains takes both from History.
// Position makes the topic begin if it has not.
func (t *Topic) Position(ctx context.Context) (store.TopicPosition, error) {
	if t.err != nil {
		return store.TopicPosition{}, t.err
	}
	at, err := t.store.Position(ctx)
	if err == nil {
		t.m.clock.sooner(&t.m.sweeper, t.o.Age)
	}
	return at, err
}

// Published is a message that a topic retains.
type Published struct {
	Position store.TopicPosition // after it; of a message that still grows, after its last piece so far
	Message  store.Message       // shared, not to be changed; of a growing message, all of it so far
	Grows    bool                // it came in pieces
	Done     bool                // it is complete; true for a message that does not grow
}

// History is what a topic retains.
type History struct {
	// Position is after all messages: a page that shows them joins After it, and misses
	// none.
	Position store.TopicPosition
	// Messages are the oldest first, but those that still grow before all others.
	Messages []Published
}

// History returns what the topic retains. It makes the topic begin if it has not.
func (t *Topic) History(ctx context.Context) (History, error) {
	if t.err != nil {
		return History{}, t.err
	}

	var all []Published
	growing := make(map[[2]string]int) // where in all the message of an event and key is
	c := store.TopicCursor{Begin: store.BeginStart}
	for {
		entries, tail, err := t.store.Read(ctx, &c, historyBytes, nil)
		if err != nil {
			return History{}, err
		}
		for _, e := range entries {
			if e.Message == nil { // what left meanwhile
				continue
			}
			p := Published{Message: *e.Message, Grows: e.Grows, Done: !e.Grows || e.Done}
			p.Position = store.TopicPosition{Topic: c.At.Topic, Epoch: e.Epoch, Seq: e.Seq}
			key := [2]string{p.Message.Event, p.Message.Key}
			if i, ok := growing[key]; ok && e.Grows && e.Offset > 0 {
				whole := all[i].Message.Data[:min(e.Offset, len(all[i].Message.Data))]
				p.Message.Data = append(whole[:len(whole):len(whole)], e.Message.Data...)
				p.Position.Seq = max(p.Position.Seq, all[i].Position.Seq)
				all[i] = p
				continue
			}
			if e.Grows {
				growing[key] = len(all)
			}
			all = append(all, p)
		}
		if !tail.More {
			break
		}
	}

	for i := range all {
		if all[i].Position.Seq == 0 { // it was read whole, at no number
			all[i].Position = c.At
		}
	}
	t.m.clock.sooner(&t.m.sweeper, t.o.Age)
	return History{Position: c.At, Messages: all}, nil
}

// historyBytes bounds one step of History.
const historyBytes = 1 << 20

// A Member is a session that is present in a topic.
type Member struct {
	ID   string          // the session's mirage id, which must not go to other clients
	Key  string          // names the member towards clients, in this topic alone; it does not tell the id
	Info json.RawMessage // of its last join that had one; nil for none
}

// Members returns who is present, one for each session, in the order in which they came.
// It is for topics with TopicOptions.Presence, and empty for others.
func (t *Topic) Members(ctx context.Context) ([]Member, error) {
	if t.err != nil {
		return nil, t.err
	}
	stored, err := t.store.Members(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Member, len(stored))
	for i, m := range stored {
		all[i] = Member{ID: m.ID, Key: m.Key, Info: m.Info}
	}
	return all, nil
}

// Remove ends all memberships of the session id in the topic. Its clients are told
// (mirage-left, 403) and do not join again on their own. To keep somebody out who asks
// again, Options.OnJoin must refuse. A session that does not exist is no error.
func (t *Topic) Remove(ctx context.Context, id string) error {
	if t.err != nil {
		return t.err
	}
	err := t.m.withSession(ctx, id, func(s *Session) error { return s.leave(ctx, t.name) })
	if isOver(err) {
		return nil
	}
	return err
}

// End ends the topic. Its members get what it retains, and then the notice that it has
// ended (mirage-left, 410). Whoever uses the name later begins a new topic. A topic that
// has not begun is no error.
func (t *Topic) End(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	if err := t.store.End(ctx); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}
