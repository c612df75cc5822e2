package session

import (
	"context"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Batch is what a link has for its client. It is reused from one Take to the next.
type Batch struct {
	Gap      store.Lost    // told before the entries; zero if there is none
	GapTag   uint32        // of the position after the gap
	Entries  []store.Entry // shared messages
	Epoch    uint64        // of the gap and the entries
	Accepted uint64        // the writer's last number if it is worth telling, else 0
	Beat     bool          // it is time for a heartbeat
	End      End           // the link is over after this; "" while it is not
	Retry    time.Duration
	More     bool // there is more: call Take again
}

// Empty reports whether there is nothing to write.
func (b *Batch) Empty() bool {
	return len(b.Entries) == 0 && b.Gap == store.Lost{} && !b.Beat && b.End == ""
}

// takeBytes bounds one batch, so that one write suits a slow client's deadline.
const takeBytes = 64 << 10

func (l *Link) signal() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// Take fills b with everything that waits for the client, without waiting for more: it
// is Empty if there is nothing. After a Batch with End there is only that End. An
// error is a failure of the store: nothing is lost, and Take may be called again after
// the next wake.
func (l *Link) Take(ctx context.Context, b *Batch) error {
	*b = Batch{Entries: b.Entries[:0]}
	end, retry := l.end.reason()
	if end == EndSuperseded || end == EndSilent || end == EndOver || end == EndBarred {
		b.End = end
		return nil
	}

	entries, tail, err := l.s.log.Read(ctx, l.Hello.Link, l.cursor, takeBytes, b.Entries)
	if err != nil {
		return l.refused(b, err)
	}

	b.Entries, b.Gap, b.GapTag, b.Epoch = entries, tail.Gap, tail.Tag, tail.Epoch
	for _, u := range tail.Undelivered {
		l.s.m.callOnGap(l.s, ReaderInfo{Reader: u.Reader, Plain: u.Plain}, nil, u.Lost)
	}
	if b.Gap != (store.Lost{}) {
		l.cursor = b.Gap.To
		if !tail.Told {
			l.s.m.callOnGap(l.s, l.reader(), l.value, b.Gap)
		}
	}
	if n := len(entries); n > 0 {
		l.cursor = entries[n-1].Seq
	}

	// What there is beyond this batch waits for the next link: else a client that is
	// behind would stay for as long as it is.
	b.End, b.Retry = end, retry

	now := l.s.m.now()
	if l.ackOverdue(now, tail.Acked) {
		l.finish(EndSilent, 0)
		b.End = EndSilent
	}
	b.More = tail.More && b.End == ""
	b.Beat = b.Empty() && !l.poll && l.s.m.o.Heartbeat > 0 && now-l.wrote.Load() >= int64(l.beat)
	if !b.Empty() {
		l.wrote.Store(now)
		if b.Beat || tail.Accepted != l.accepted {
			b.Accepted, l.accepted = tail.Accepted, tail.Accepted
		}
	}
	return nil
}

// refused turns the log's refusal into the link's end. Another failure is none, but for a
// link that has one already.
func (l *Link) refused(b *Batch, err error) error {
	if why, retry := endOf(err); why != "" {
		l.finish(why, retry)
	}
	if b.End, b.Retry = l.end.reason(); b.End == "" {
		return err
	}
	return nil // to end takes no store
}

// ackOverdue keeps account of what the client has not acknowledged, and reports whether
// it has left that too long. Each acknowledgement that moves is a sign of life, and
// restarts the time for all that is still missing: a slow network may need longer for
// what was written at once.
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
		if l.s.m.o.AckTimeout < l.beat { // else the alarm rings before that for the heartbeat
			l.s.m.clock.sooner(&l.alarm, l.s.m.o.AckTimeout)
		}
	default:
		return now-l.waits.Load() >= int64(l.s.m.o.AckTimeout)
	}

	return false
}

// Next is Take that waits until there is something, or ctx ends. It is for
// links without Wake.
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
