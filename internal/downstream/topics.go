package downstream

import (
	"encoding/json"
	"slices"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// appendTopics appends the blocks of topics. The ids of Mirage's own clients are the
// positions in the topics, one by one. Those of a plain client, which keeps one id alone,
// have all its positions.
func appendTopics(dst []byte, b *session.Batch, plain bool) []byte {
	var vector []store.TopicPosition
	if plain {
		vector = slices.Clone(b.Vector)
	}
	last := lastPosition(b)

	var memory [64]byte
	id := memory[:0]
	for i := range b.Topics {
		block := &b.Topics[i]
		id = id[:0]
		switch {
		case plain:
			vector = block.Advance(vector)
			if block.Position.Epoch != 0 || block.Left != nil {
				id, _ = last.AppendText(id) // the error is always nil
				id = appendVector(id, vector)
			}
		case block.Position.Epoch != 0:
			id, _ = block.Position.AppendText(id) // the error is always nil
		}
		dst = appendTopic(dst, block, id, plain)
	}
	return dst
}

// lastPosition returns the position in the session's log after the entries.
func lastPosition(b *session.Batch) store.Position {
	if n := len(b.Entries); n > 0 {
		return store.Position{Epoch: b.Epoch, Seq: b.Entries[n-1].Seq, Tag: b.Entries[n-1].Tag}
	}
	if !b.Gap.IsZero() {
		return store.Position{Epoch: b.Epoch, Seq: b.Gap.To, Tag: b.GapTag}
	}
	return b.Last
}

// appendVector appends the texts of positions in topics.
func appendVector(dst []byte, vector []store.TopicPosition) []byte {
	for _, p := range vector {
		dst, _ = p.AppendText(dst) // the error is always nil
	}
	return dst
}

// appendTopic appends one block.
func appendTopic(dst []byte, b *session.TopicBlock, id []byte, plain bool) []byte {
	switch {
	case b.Joined != nil:
		j := frame.Joined{
			Topic: b.Topic, Position: b.Position.String(), Reason: string(b.Joined.Reason), Key: b.Joined.Key,
		}
		if !b.Joined.Lost.IsZero() {
			lost := frame.RangeOf(b.Joined.Lost)
			j.Lost = &lost
		}
		return frame.AppendJoined(dst, &j, id)
	case b.Left != nil:
		left := frame.Left{
			Topic: b.Topic, Status: b.Left.Status, Code: b.Left.Code(), Reason: b.Left.Reason, Retry: b.Left.Retry,
		}
		return frame.AppendLeft(dst, &left, id)
	case b.Members != nil:
		return frame.AppendMembers(dst, members(b.Topic, b.Members))
	case b.Entry.Message == nil:
		return frame.AppendTopicGap(dst, b.Topic, b.Entry.Lost, string(b.Entry.Reason), id)
	}
	return frame.AppendTopicEntry(dst, b.Topic, &b.Entry, id, plain)
}

func members(topic string, t *session.TopicMembers) *frame.Members {
	wire := func(all []store.Member) []frame.Member {
		members := make([]frame.Member, len(all))
		for i, m := range all {
			members[i] = frame.Member{Key: m.Key, Info: json.RawMessage(m.Info)}
		}
		return members
	}
	return &frame.Members{
		Topic: topic, Count: t.Count, All: t.All, Members: wire(t.Members), Joined: wire(t.Joined), Left: t.Left,
	}
}
