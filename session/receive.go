package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// Upstream is the content of one request or frame of a client.
type Upstream struct {
	ID       string         // the session
	Asked    store.Asked    // about the request, if there is no link; the zero Asked stands for the application itself
	Link     store.LinkRef  // the link that the client uses, by reader and number; zero for one message without a link
	Ack      string         // the position that the client has; "" for none
	Writer   string         // the writer that numbers the messages; "" for an unnumbered one
	Base     uint64         // the lowest number that the client still keeps
	Again    bool           // the messages were sent before, to a server that does not remember them
	Messages []Numbered     // in the order of their numbers
	Value    any            // of the request, for OnMessage: see Value
	Leaving  bool           // the client's page ends: its link ends, too, on whichever node, and its reader stays
	Reload   bool           // with Leaving: the page is being reloaded
	Topics   []TopicRequest // what the client of the link wants to read, and does not want to read any more
}

// Numbered is a message with its writer's number.
type Numbered struct {
	Number uint64
	Trace  string // as in Incoming
	store.Message
}

// Receipt is the result of an Upstream.
type Receipt struct {
	Accepted uint64        // the writer's last number that will not be handled again
	Failed   []uint64      // those whose handler failed, in this call or one that it waited for; they are not retried
	Retry    time.Duration // with ErrRate: when to come back
}

// Receive records what a client acknowledges, and handles its messages. It returns when
// OnMessage has returned for every message, or earlier with an error:
//
//   - store.ErrNotFound: there is no such session or reader. The client opens a new link.
//   - store.ErrRenewed: Revalidate ended the link.
//   - ErrSettling: the id of a message without a link was moved or revoked after its
//     request came.
//   - ErrOrder: the writer must send Accepted+1 first.
//   - ErrRate: the client retries after Receipt.Retry.
//   - store.ErrAhead, ErrTooLarge, store.ErrEvent, ErrInput and ErrClosed.
//
// With ErrOrder and ErrRate, Accepted is set, and the client resends the messages after
// it. With other errors Accepted may be 0, and the client resends all that it still
// keeps. A message is handled once, however often it comes. If it comes again during the
// call, that call waits for the same result.
func (m *Manager) Receive(ctx context.Context, up Upstream) (got Receipt, err error) {
	defer func() { m.emitRefused(up.ID, up.Link.Reader, TransportSend, err) }()
	if !m.enter() {
		return Receipt{}, ErrClosed
	}
	defer m.work.Done()
	ack, topics, err := up.check(m.o.MaxMessageSize)
	if err != nil {
		return Receipt{}, err
	}

	acquire := m.acquire
	if up.Link.Reader == "" { // no later step checks the id again
		acquire = m.acquireFresh
	}
	s, err := acquire(ctx, up.ID, opening{asked: up.Asked})
	if err != nil {
		return Receipt{}, asSettling(err)
	}
	defer func() { m.local.release(s) }()
	if up.Link.Reader != "" {
		if s, err = m.acknowledge(ctx, s, up.Link, ack); err != nil {
			return Receipt{}, err
		}
		if topics != nil {
			if err := s.log.AckTopics(ctx, up.Link, topics); err != nil {
				return Receipt{}, err
			}
		}
		if up.Leaving {
			m.endLink(s, up.Link, up.Value, up.Reload)
		}
		if len(up.Topics) > 0 {
			m.requestTopics(m.newAsker(ctx, s, up.Link, up.Value), up.Topics)
		}
	}

	hctx := handlerContext{m.ctx, ctx, up.Value}
	switch {
	case up.Writer != "":
		return m.receiveInTurn(ctx, hctx, s, up)
	case len(up.Messages) > 0:
		return m.receiveOne(hctx, s, up.Messages[0].Message)
	}
	return Receipt{}, nil
}

// acknowledge records what the client has, and that it uses the link. It returns the
// session whose log recorded that, which replaces s.
func (m *Manager) acknowledge(ctx context.Context, s *Session, link store.LinkRef, p store.Position) (*Session, error) {
	err := s.log.Ack(ctx, link, p)
	if !isOver(err) {
		if err == nil {
			s.emitAcked(link, p)
		}
		return s, err
	}
	again := func(log store.Log) (any, error) { return nil, log.Ack(ctx, link, p) }
	next, _, no := retryOnSuccessor(ctx, s, again)
	if no != nil {
		return s, err
	}
	m.local.release(s)
	return next, nil
}

// receiveInTurn handles numbered messages when it is their writer's turn.
func (m *Manager) receiveInTurn(ctx, hctx context.Context, s *Session, up Upstream) (got Receipt, err error) {
	key := turnKey{up.ID, up.Writer}
	failed, err := m.turns.take(ctx, key)
	if err != nil {
		return Receipt{}, err
	}
	defer func() { m.turns.give(key, got.Failed) }()
	return m.receiveNumbered(ctx, hctx, s, up, failed)
}

// check checks what needs no log, before anything is done.
func (up *Upstream) check(maxMessage int) (ack store.Position, topics []store.TopicPosition, err error) {
	text, topics, err := splitPositions(up.Ack)
	if err == nil && text != "" {
		ack, err = store.ParsePosition(text)
	}
	if err != nil {
		return ack, nil, fmt.Errorf("%w: ack is not a position", ErrInput)
	}

	last := uint64(0)
	for i := range up.Messages {
		n := &up.Messages[i]
		if len(n.Data) > maxMessage {
			return ack, nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(n.Data), maxMessage)
		}
		if err := store.CheckEvent(n.Event); err != nil {
			return ack, nil, err
		}
		if up.Writer == "" {
			continue
		}
		if n.Number > store.MaxSeq || n.Number < max(1, up.Base) || i > 0 && n.Number != last+1 {
			return ack, nil, fmt.Errorf(
				"%w: message numbers must begin at base or later and follow one another", ErrInput)
		}
		last = n.Number
	}

	if up.Writer != "" && (up.Base < 1 || up.Base > store.MaxSeq) {
		return ack, nil, fmt.Errorf("%w: base must be between 1 and %d", ErrInput, uint64(store.MaxSeq))
	}
	if up.Writer == "" && len(up.Messages) > 1 {
		return ack, nil, fmt.Errorf("%w: several messages need a writer", ErrInput)
	}
	return ack, topics, nil
}

// receiveOne handles a message without a number.
func (m *Manager) receiveOne(ctx context.Context, s *Session, msg store.Message) (Receipt, error) {
	if wait := s.rate.take(m.now(), m.o.Rate, m.o.Burst); wait > 0 {
		return Receipt{Retry: wait}, ErrRate
	}
	if err := m.callOnMessage(ctx, s, Incoming{Message: msg}); err != nil {
		return Receipt{Failed: []uint64{0}}, nil
	}
	return Receipt{}, nil
}

// receiveNumbered handles the messages that are new. failed holds the writer's numbers
// that failed while this request waited for its turn.
func (m *Manager) receiveNumbered(
	ctx, hctx context.Context, s *Session, up Upstream, failed []uint64,
) (Receipt, error) {
	var got Receipt
	steady := context.WithoutCancel(hctx)

	if len(up.Messages) == 0 {
		_, last, err := s.log.Begin(ctx, up.Link, up.Writer, up.Base, 0, turnLease)
		got.Accepted = last
		return got, err
	}

	for i := range up.Messages {
		n := &up.Messages[i]
		t, last, err := m.awaitTurn(ctx, steady, s.log, &up, n.Number)
		if isOver(err) && i > 0 { // the messages before it were handled: the client must learn that
			return got, nil
		}
		got.Accepted = last
		switch {
		case err != nil:
			return got, err
		case t == store.TurnDone:
			m.emitRepeated(s, &up, n)
			if slices.Contains(failed, n.Number) {
				got.Failed = append(got.Failed, n.Number)
			}
			continue
		case t == store.TurnEarly:
			return got, ErrOrder
		}

		if wait := s.rate.take(m.now(), m.o.Rate, m.o.Burst); wait > 0 {
			got.Retry = wait
			return got, errors.Join(ErrRate, s.log.Commit(steady, up.Writer, n.Number, false))
		}
		failure := m.callOnMessage(hctx, s, Incoming{
			Message: n.Message, Reader: up.Link.Reader, Writer: up.Writer, Number: n.Number, Trace: n.Trace,
			Again: up.Again || t == store.TurnAgain,
		})
		if failure != nil && m.ctx.Err() != nil { // Shutdown cut it off: another node may handle it
			return got, errors.Join(ErrClosed, s.log.Commit(steady, up.Writer, n.Number, false))
		}
		if failure != nil {
			got.Failed = append(got.Failed, n.Number)
		}

		err = s.log.Commit(steady, up.Writer, n.Number, true)
		if err != nil && !isOver(err) {
			return got, err
		}
		got.Accepted = n.Number
		if err != nil { // perhaps the handler ended the session: its message must not be resent
			return got, nil
		}
	}
	return got, nil
}

// awaitTurn asks for the turn of message n, and asks again while another node has it. A
// call of Begin does not end with the request (steady): it may return the turn, which
// would then be lost.
func (m *Manager) awaitTurn(
	ctx, steady context.Context, log store.Log, up *Upstream, n uint64,
) (t store.Turn, last uint64, err error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		t, last, err := log.Begin(steady, up.Link, up.Writer, up.Base, n, turnLease)
		if err != nil || t != store.TurnBusy {
			return t, last, err
		}
		if !m.isOpen() { // the other node may be dead, and Shutdown does not wait for the lease
			return t, last, ErrClosed
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return t, last, ctx.Err()
		}
	}
}
