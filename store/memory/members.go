package memory

import (
	"context"

	"github.com/mirage-go/mirage/store"
)

// JoinTopic implements Log.
func (h *memHandle) JoinTopic(context.Context, store.TopicJoin) error { return store.ErrUnsupported }

// LeaveTopic implements Log.
func (h *memHandle) LeaveTopic(context.Context, store.TopicLeave) error { return store.ErrUnsupported }

// Topics implements Log.
func (h *memHandle) Topics(context.Context, store.LinkRef) (store.TopicsOfLink, error) {
	return store.TopicsOfLink{}, nil
}

// TopicTold implements Log.
func (h *memHandle) TopicTold(context.Context, store.LinkRef, string, uint64) error {
	return store.ErrUnsupported
}

// AckTopics implements Log.
func (h *memHandle) AckTopics(context.Context, store.LinkRef, []store.TopicPosition) error { return nil }
