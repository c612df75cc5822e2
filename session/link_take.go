package session

import (
	"context"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Batch is what a link has for its client. Take overwrites it, and reuses its Entries.
type Batch struct {
	Gap      store.Lost    // to be written before the entries; zero if there is none
	GapTag   uint32        // of the position after the gap
	Entries  []store.Entry // shared messages
	Topics   []TopicBlock  // what the topics have; to be written after the entries
	Epoch    uint64        // of the gap and the entries
	Accepted uint64        // the writer's last accepted number if the client should be told, else 0
	Beat     bool          // a heartbeat is due
	End      End           // the link ends after this batch; "" if it does not
	Retry    time.Duration // with End: how long the client waits before it reconnects
	More     bool          // there is more: call Take again

	// For a plain client that reads topics, whose event ids name all its positions: those
	// in topics before the batch, and the one in the session's log before it.
	Vector []store.TopicPosition
	Last   store.Position
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Entries) == 0 && len(b.Topics) == 0 && b.Gap.IsZero() && !b.Beat && b.End == ""
}

// reset empties the batch, and keeps its memory.
func (b *Batch) reset() {
	entries, topics := b.Entries[:0], b.Topics[:0]
	*b = Batch{}
	b.Entries, b.Topics = entries, topics
}

// DropMessages drops the messages in Entries and Topics once they are encoded, and keeps
// the rest. A batch that is kept for the next Take then holds no messages in memory.
func (b *Batch) DropMessages() {
	clear(b.Entries)
	clear(b.Topics)
}

// takeBytes bounds one batch, so that a slow client can read one write within its
// deadline.
const takeBytes = 64 << 10

func (l *Link) signal() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// Take fills b with what is ready for the client, about 64 KiB at most, and does not wait
// for more. b is Empty if there is nothing. A Batch with an End is the last one to write.
// An error is a failure of the store: nothing is lost, and Take may be called again after
// the next wake.
func (l *Link) Take(ctx context.Context, b *Batch) error {
	b.reset()
	end, retry := l.end.reason()
	if end == EndSuperseded || end == EndSilent || end == EndOver || end == EndBarred {
		b.End = end
		return nil
	}

	topics := l.topics.Load()
	room := takeBytes
	if topics != nil && topics.news.Load() { // half of it is for them
		room /= 2
	}
	entries, tail, err := l.s.log.Read(ctx, l.Hello.Link, l.cursor, room, b.Entries)
	if err != nil {
		return l.refused(b, err)
	}

	b.Entries, b.Gap, b.GapTag, b.Epoch = entries, tail.Gap, tail.Tag, tail.Epoch
	last := store.Position{Epoch: l.Hello.Position.Epoch, Seq: l.cursor, Tag: l.tag}
	for _, u := range tail.Undelivered {
		u.Lost.Reason = store.MissingExpired
		l.s.m.callOnGap(l.s, ReaderInfo{Reader: u.Reader, Plain: u.Plain}, nil, u.Lost)
	}
	if !b.Gap.IsZero() {
		l.cursor, l.tag = b.Gap.To, b.GapTag
		if !tail.Told {
			lost := b.Gap
			lost.Reason = tail.GapReason
			l.s.m.callOnGap(l.s, l.reader(), l.value, lost)
		}
	}
	if n := len(entries); n > 0 {
		if l.s.m.observed() {
			l.emitSent(l.cursor, entries)
		}
		l.cursor, l.tag = entries[n-1].Seq, entries[n-1].Tag
	}

	// Entries beyond this batch wait for the next link. Otherwise a client that is behind
	// would keep this one for as long as it is.
	b.End, b.Retry = end, retry

	now := l.s.m.now()
	if l.ackOverdue(now, tail.Acked) || topics != nil && l.topicsOverdue(ctx, now) {
		l.finish(EndSilent, 0)
		b.End = EndSilent
	}
	b.More = tail.More && b.End == ""
	if topics != nil || tail.Topics != 0 {
		b.Last = last
		l.takeTopics(ctx, b, tail.Topics)
	}
	empty := b.Empty()
	b.Beat = empty && !l.poll && l.s.m.o.Heartbeat > 0 && now-l.wrote.Load() >= int64(l.beat)
	if !empty || b.Beat {
		l.wrote.Store(now)
		if b.Beat || tail.Accepted != l.accepted {
			b.Accepted, l.accepted = tail.Accepted, tail.Accepted
		}
	}
	return nil
}

// refused ends the link if the log refused it with err. Other errors are returned, unless
// the link is ending already.
func (l *Link) refused(b *Batch, err error) error {
	if why, retry := endOf(err); why != "" {
		l.finish(why, retry)
	}
	if b.End, b.Retry = l.end.reason(); b.End == "" {
		return err
	}
	return nil // ending needs no store
}

// ackOverdue tracks what the client has not acknowledged, and reports whether that has
// taken too long. Each acknowledgement that advances is a sign of life, and restarts the
// timeout for all that is still missing: a slow network may need longer for what was
// written at once.
func (l *Link) ackOverdue(now int64, acked uint64) bool {
	if l.poll || l.Plain || l.s.m.o.AckTimeout < 0 {
		return false
	}

	switch {
	case acked >= l.cursor:
		l.waits.Store(0)
	case l.waits.Load() == 0 || acked > l.acked:
		l.acked = acked
		l.waits.Store(now)
		if l.s.m.o.AckTimeout < l.beat { // otherwise the alarm for the heartbeat rings earlier
			l.s.m.clock.sooner(&l.alarm, l.s.m.o.AckTimeout)
		}
	default:
		return now-l.waits.Load() >= int64(l.s.m.o.AckTimeout)
	}

	return false
}

// Next is Take that waits until there is something, or ctx ends. It is for links without
// Attach.Wake.
func (l *Link) Next(ctx context.Context, b *Batch) error {
	for {
		if err := l.Take(ctx, b); err != nil || !b.Empty() {
			return err
		}
		select {
		case <-l.woken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
