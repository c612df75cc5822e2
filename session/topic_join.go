package session

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mirage-go/mirage/store"
)

// MaxTopics is how many topics one link reads at most, and MaxTopicsPlain how many that
// of a plain client, whose event ids name them all.
const (
	MaxTopics      = 64
	MaxTopicsPlain = 16
)

// MaxInfo is the longest Join.Info, in bytes.
const MaxInfo = 1 << 10

// From says where a member begins to read a topic. The zero From is FromNow.
type From struct {
	at    store.TopicPosition
	begin store.Begin
	after bool
}

var (
	// FromNow begins with the next message, and with what still grows.
	FromNow = From{}
	// FromStart begins with everything that the topic retains.
	FromStart = From{begin: store.BeginStart}
)

// After begins after a position, and with what still grows: see Topic.Position. If
// messages after it have left the topic, the member is told of the gap.
func After(at store.TopicPosition) From { return From{at: at, after: true} }

// place returns where a membership in t begins. client is set if a client asks.
func (f From) place(ctx context.Context, t *Topic, client bool) (store.TopicPosition, store.Begin, error) {
	if f.after {
		if f.at.Topic != store.TopicHash(t.name) || f.at.Epoch == 0 {
			return store.TopicPosition{}, 0, fmt.Errorf("%w: it is a position of another topic", ErrInput)
		}
		return f.at, store.BeginNow, nil
	}

	begin := t.store.Position
	if client {
		begin = t.store.Begin
	}
	at, err := begin(ctx)
	if f.begin == store.BeginStart {
		return at, store.BeginStart, err
	}
	return at, store.BeginNow, err
}

// A Join is a client's wish to read a topic, as Options.OnJoin gets it.
type Join struct {
	Topic  string
	Reader ReaderInfo // of the link that asks; on another node than the link's, without Transport
	// From is where the client wants to begin. OnJoin may change it. A position in the
	// topic that the client presents wins over it, and may be made up: From hides nothing
	// of what the topic retains. Refuse the join instead, or use another topic.
	From From
	// Info is what other members learn about this one, for a topic with Presence: JSON of
	// at most MaxInfo bytes, nil for none. The client chose it. OnJoin may change it.
	Info json.RawMessage
}

// Join makes the whole session a member of a topic: all its readers, and those to come.
// It asks no hook. Joining twice is joining once: the first place stays. A membership is
// part of the session: Move keeps it, and it ends with the session. A reader that comes
// without a position of its own begins after what any reader of the session has
// acknowledged.
//
// The error is store.ErrTopic or store.ErrTopics if the name is not allowed, or one of
// the readers would read more than MaxTopics topics, and store.ErrUnsupported if the
// Store has no topics.
func (s *Session) Join(ctx context.Context, topic string, from From) error {
	return s.join(ctx, topic, store.LinkRef{}, from)
}

// JoinReader is Join for one reader of the session, for as long as it is remembered. The
// error is also store.ErrNotFound if the session has no reader of that name.
func (s *Session) JoinReader(ctx context.Context, reader, topic string, from From) error {
	if reader == "" {
		return fmt.Errorf("%w: the name of a reader is empty", store.ErrNotFound)
	}
	return s.join(ctx, topic, store.LinkRef{Reader: reader}, from)
}

func (s *Session) join(ctx context.Context, topic string, whom store.LinkRef, from From) error {
	t := s.m.Topic(topic)
	if t.err != nil {
		return t.err
	}
	at, begin, err := from.place(ctx, t, false)
	if err != nil {
		return err
	}
	return s.asNotFound(s.log.JoinTopic(ctx, store.TopicJoin{
		Topic: topic, Link: whom, At: at, Begin: begin, Max: MaxTopics,
	}))
}

// Leave ends all memberships of the session in the topic, those of its readers and links
// included. Its clients are told (mirage-left, 403), and do not join again on their own.
func (s *Session) Leave(ctx context.Context, topic string) error {
	if err := s.m.Topic(topic).err; err != nil {
		return err
	}
	return s.asNotFound(s.leave(ctx, topic))
}

func (s *Session) leave(ctx context.Context, topic string) error {
	return s.log.LeaveTopic(ctx, store.TopicLeave{
		Topic: topic, Notice: store.TopicNotice{Topic: topic, Status: 403, Reason: "removed from the topic"},
	})
}

// asNotFound returns store.ErrNotFound if err says that the session has ended, however it
// ended.
func (s *Session) asNotFound(err error) error {
	if isOver(err) {
		return store.ErrNotFound
	}
	return err
}
