package client

import (
	"context"
	"errors"
	"iter"
)

var errTwoLoops = errors.New("client: another loop over these messages is running")

// An inbox keeps what came until a loop has taken it: of the session, or of a room. It
// belongs to the owner.
type inbox struct {
	c *Client

	items   []*item
	bytes   int
	held    *item // the loop has it, and has not asked for the next one
	looping bool
	waiting chan<- *item // the loop waits for the next item
	behind  bool         // it was full: what came since was dropped, and has to be read again
	ended   bool
	err     error
}

// An item is a message, an error, or neither if it only moves the position.
type item struct {
	message  Message
	err      error
	silent   bool
	topic    *topic // nil for the session
	position string // after it; "" leaves the position where it is
	resets   int    // those of the client when it came
}

// errEnd ends a loop without an error.
var errEnd = errors.New("client: end of the messages")

// all is Client.Messages.
func (b *inbox) all(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var yielded *item
		entered := make(chan bool, 1)
		if err := b.c.ask(ctx, func() {
			entered <- !b.looping
			b.looping = true
		}); err != nil {
			yieldLast(yield, err)
			return
		}
		if !<-entered {
			yield(Message{}, errTwoLoops)
			return
		}
		defer func() { b.c.post(func() { b.leave(yielded) }) }()

		for {
			it, err := b.next(ctx, yielded)
			if err != nil {
				yieldLast(yield, err)
				return
			}
			yielded = it
			if !yield(it.message, it.err) {
				return
			}
		}
	}
}

func yieldLast(yield func(Message, error) bool, err error) {
	if err != errEnd && err != ErrClosed {
		yield(Message{}, err)
	}
}

// next returns the next item, after the one that was handled.
func (b *inbox) next(ctx context.Context, handled *item) (*item, error) {
	found := make(chan *item, 1)
	if !b.c.post(func() { // whatever ctx says: the loop has asked for the next one
		b.complete(handled)
		if ctx.Err() == nil {
			b.waiting = found
			b.serve()
		}
	}) {
		return nil, ErrClosed
	}
	select {
	case it, ok := <-found:
		if !ok {
			return nil, b.ending()
		}
		return it, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-b.c.done:
		return nil, ErrClosed
	}
}

// ending returns the error after which there is nothing more.
func (b *inbox) ending() error {
	err := make(chan error, 1)
	if !b.c.post(func() { err <- b.err }) {
		return ErrClosed
	}
	if err := <-err; err != nil {
		return err
	}
	return errEnd
}

// serve hands the next item to the loop that waits for it.
func (b *inbox) serve() {
	for b.held == nil && len(b.items) > 0 && (b.items[0].silent || b.waiting != nil) {
		it := b.items[0]
		b.items[0] = nil
		b.items = b.items[1:]
		b.bytes -= len(it.message.Data)
		if it.silent {
			b.deliver(it)
			continue
		}
		b.held = it
		it.message.ack = func() { b.c.post(func() { b.complete(it) }) }
		b.waiting <- it
		b.waiting = nil
	}
	if len(b.items) == 0 {
		b.items = nil
		if b.ended && b.waiting != nil {
			close(b.waiting)
			b.waiting = nil
		}
	}
	if b.behind && len(b.items) <= b.c.o.MaxWaiting/2 && b.bytes <= b.c.o.MaxWaitingBytes/2 {
		b.c.readOn()
	}
}

// complete notes that the item that was handed out last was delivered.
func (b *inbox) complete(it *item) {
	if it != nil && b.held == it {
		b.held = nil
		b.deliver(it)
		b.serve()
	}
}

// leave ends a loop. What it has not completed comes again, if it was yielded as a
// repeat.
func (b *inbox) leave(yielded *item) {
	b.looping, b.waiting = false, nil
	if it := b.held; it != nil {
		it.message.Again = it.message.Again || it == yielded
		b.held = nil
		b.bytes += len(it.message.Data)
		b.items = append([]*item{it}, b.items...)
	}
}

// deliver moves the position, which is then acknowledged.
func (b *inbox) deliver(it *item) {
	c := b.c
	if it.position != "" {
		if it.topic != nil {
			it.topic.position = it.position
		} else if it.resets == c.resets {
			c.position = it.position
		}
		if c.live != nil && c.live.name != Poll {
			c.countDelivered()
		}
	}
	if c.live != nil && c.live.whenDelivered != nil && c.isDelivered() {
		c.live.whenDelivered()
	}
}

// hasRoom reports whether a message with so many bytes fits. If not, the inbox is behind.
func (b *inbox) hasRoom(size int) bool {
	return b.fits(size, b.c.o.MaxWaiting, b.c.o.MaxWaitingBytes)
}

// hasExtraRoom is hasRoom for the pieces of growing messages, and for what comes with
// them: they may come without an id, so what is dropped of them does not come again by
// itself. A topic that the server keeps within its own bounds fits.
func (b *inbox) hasExtraRoom(size int) bool {
	return b.fits(size, 2*b.c.o.MaxWaiting+extraItems, b.c.o.MaxWaitingBytes+largestGrowing)
}

// extraItems is enough for the growing messages of a topic, in blocks of 64 KiB.
const extraItems = 1024

func (b *inbox) fits(size, items, bytes int) bool {
	if !b.behind && len(b.items) > 0 && (len(b.items) >= items || b.bytes+size > bytes) {
		b.behind = true
	}
	return !b.behind
}

// push adds an item.
func (b *inbox) push(it *item) {
	it.resets = b.c.resets
	if last := len(b.items) - 1; it.silent && last >= 0 && b.items[last].silent && b.items[last].topic == it.topic {
		b.items[last] = it
	} else {
		b.items = append(b.items, it)
	}
	b.bytes += len(it.message.Data)
	b.serve()
}

// pushLost adds a loss that hello says. Several in a row count as one, so that they are
// bounded.
func (b *inbox) pushLost(lost *LostError) {
	if last := len(b.items) - 1; last >= 0 {
		if _, ok := b.items[last].err.(*LostError); ok {
			b.items[last].err = lost
			return
		}
	}
	b.push(&item{err: lost})
}

// end ends the loop when it has taken what there is.
func (b *inbox) end(err error) {
	b.ended, b.err = true, err
	b.serve()
}

func (b *inbox) isEmpty() bool { return len(b.items) == 0 && b.held == nil }

// isDelivered reports whether everything that came has been delivered.
func (c *Client) isDelivered() bool {
	for _, t := range c.topics {
		if t.room != nil && !t.room.inbox.isEmpty() {
			return false
		}
	}
	return c.inbox.isEmpty()
}

// readAgain notes that a link begins at the positions: what was dropped comes again.
func (c *Client) readAgain() {
	c.inbox.behind = false
	for _, t := range c.topics {
		if t.room != nil {
			t.room.inbox.behind = false
		}
	}
}

// readOn opens a link that brings what was dropped. The next poll does that, too.
func (c *Client) readOn() {
	if c.live != nil && c.live.name != Poll && !c.renewing {
		c.renew()
	}
}

// repeats is up to where an earlier client, which crashed, may have delivered messages.
type repeats struct {
	unknown bool // the next hello says it
	upTo    uint64
}

// errEpoch ends a link that brings messages of a session other than its hello's.
var errEpoch = errors.New("client: a message has a position of another session")

// receive takes a block of the session that has an id.
func (c *Client) receive(l *link, e *event) error {
	epoch, seq := epochAndNumber(c.came)
	other, n := epochAndNumber(e.ID)
	if other != epoch {
		return errEpoch
	}
	if n <= seq || c.inbox.behind || (e.isMessage() || e.gap != nil) && !c.inbox.hasRoom(len(e.Data)) {
		return nil
	}

	l.news = true
	c.came = e.ID // perhaps beyond messages that were superseded or have expired
	it := &item{position: e.ID}
	switch {
	case e.gap != nil:
		it.err = &LostError{From: max(e.gap.From, seq+1), To: e.gap.To, Reason: shorten(e.gap.Reason)}
	case e.isMessage():
		it.message = e.message()
		it.message.Again = n <= c.repeats.upTo
	default:
		it.silent = true
	}
	c.inbox.push(it)
	return nil
}

// reset continues at a position that no message led to.
func (c *Client) reset(position string) {
	c.came, c.position = position, position
	c.resets++
}

// countDelivered counts what is to be acknowledged.
func (c *Client) countDelivered() {
	s := &c.sender
	s.unacked++
	if s.unacked >= ackAfter {
		s.due = true
		c.pump()
	} else if !s.ack.isSet() {
		s.ack.set(c, c.o.AckWithin, func() {
			if s.unacked > 0 {
				s.due = true
				c.pump()
			}
		})
	}
}
