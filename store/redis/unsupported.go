package redis

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// This store has no topics yet, and no messages with Key or TTL.

// JoinTopic implements Log.
func (l *log) JoinTopic(context.Context, store.TopicJoin) error { return store.ErrUnsupported }

// LeaveTopic implements Log.
func (l *log) LeaveTopic(context.Context, store.TopicLeave) error { return store.ErrUnsupported }

// Removals implements Log.
func (l *log) Removals(context.Context) (uint64, error) { return 0, store.ErrUnsupported }

// Topics implements Log. No link reads a topic.
func (l *log) Topics(context.Context, store.LinkRef) (store.TopicsOfLink, error) {
	return store.TopicsOfLink{}, nil
}

// TopicTold implements Log.
func (l *log) TopicTold(context.Context, store.LinkRef, string, store.TopicTold) error {
	return store.ErrUnsupported
}

// AckTopics implements Log. No membership means that nothing is acknowledged.
func (l *log) AckTopics(context.Context, store.LinkRef, []store.TopicPosition) error { return nil }

// supported returns ErrUnsupported for a message with Key or TTL.
func supported(m *store.Message) error {
	if m.Key != "" || m.TTL > 0 {
		return store.ErrUnsupported
	}
	return nil
}
