package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

var errTooLarge = errors.New("client: the message is larger than Options.MaxQueueBytes")

// Send queues a message for the server, which handles it once and after those before it.
// It waits only while the queue is full. After an error the message is not queued. If the
// server refuses it later, Messages returns a *ReturnedError.
func (c *Client) Send(ctx context.Context, m Message) error {
	if err := checkEvent(m.Event); err != nil {
		return err
	}
	m = Message{Event: m.Event, Data: bytes.Clone(m.Data), Binary: m.Binary, Trace: m.Trace}
	return c.enqueue(ctx, &entry{message: m})
}

// Emit sends a message whose data is v in JSON, and returns when the server has handled
// it. The error is an *Error if the server refused it; with status 500 its handler
// failed. If ctx ends before, the server may handle the message nevertheless, unless it
// was not sent yet. If the server's answer is lost, Emit may return nil for a handler
// that failed.
func (c *Client) Emit(ctx context.Context, event string, v any) error {
	m, err := JSON(event, v)
	if err != nil {
		return err
	}
	if err := checkEvent(event); err != nil {
		return err
	}
	result := make(chan error, 1)
	e := &entry{message: m, result: result}
	if err := c.enqueue(ctx, e); err != nil {
		return err
	}

	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		c.post(func() { c.outbox.withdraw(c, e) })
		return context.Cause(ctx)
	case <-c.done:
		select {
		case err := <-result:
			return err
		default:
			return ErrClosed
		}
	}
}

// Queued returns how many messages the server has not accepted yet.
func (c *Client) Queued() int {
	n := make(chan int, 1)
	if !c.post(func() { n <- len(c.outbox.queue) }) {
		return 0
	}
	return <-n
}

// An entry is a message on its way to the server.
type entry struct {
	writer  string
	number  uint64
	message Message
	tried   bool         // it was sent
	again   bool         // the server may have had it
	result  chan<- error // of Emit, or nil
}

// outbox keeps messages until the server has accepted them. Those of an earlier client
// come first, under that client's writer. It belongs to the owner.
type outbox struct {
	queue   []*entry
	bytes   int
	count   uint64 // the number of the last message
	waiters []waiter
	closing []chan<- struct{} // calls of Close, which wait until the queue is empty
	refused error             // why no more messages are taken, or nil
}

// A waiter is a Send for whose message there was no room.
type waiter struct {
	entry  *entry
	result chan<- error
}

func (c *Client) enqueue(ctx context.Context, e *entry) error {
	if len(e.message.Data) > c.o.MaxQueueBytes {
		return errTooLarge
	}
	queued := make(chan error, 1)
	if err := c.ask(ctx, func() {
		c.outbox.waiters = append(c.outbox.waiters, waiter{e, queued})
		c.admit()
	}); err != nil {
		return err
	}
	select {
	case err := <-queued:
		return err
	case <-c.done:
		return ErrClosed
	case <-ctx.Done():
	}

	c.post(func() {
		c.outbox.waiters = slices.DeleteFunc(c.outbox.waiters, func(w waiter) bool { return w.entry == e })
		select {
		case queued <- context.Cause(ctx):
		default: // it was queued in the meantime
		}
	})
	select {
	case err := <-queued:
		return err
	case <-c.done:
		return ErrClosed
	}
}

// admit queues the messages that wait, as far as there is room.
func (c *Client) admit() {
	o := &c.outbox
	for len(o.waiters) > 0 {
		w := o.waiters[0]
		size := len(w.entry.message.Data)
		if o.refused == nil && len(o.queue) > 0 && (len(o.queue) >= c.o.MaxQueue || o.bytes+size > c.o.MaxQueueBytes) {
			break
		}
		o.waiters = o.waiters[1:]
		if o.refused != nil {
			w.result <- o.refused
			continue
		}
		o.count++
		w.entry.writer, w.entry.number = c.address.cid, o.count
		o.queue = append(o.queue, w.entry)
		o.bytes += size
		w.result <- nil
	}
	if len(o.waiters) == 0 {
		o.waiters = nil
	}
	if len(o.queue) == 0 {
		for _, empty := range o.closing {
			close(empty)
		}
		o.closing = nil
	}
	c.saveSoon()
	c.pump()
}

// whenEmpty takes no more messages, and closes empty when none waits, or none will be
// sent.
func (c *Client) whenEmpty(empty chan<- struct{}) {
	o := &c.outbox
	o.refuse(ErrClosed)
	if len(o.queue) == 0 || c.phase == PhaseIdle {
		close(empty)
		return
	}
	o.closing = append(o.closing, empty)
}

// refuse takes no more messages.
func (o *outbox) refuse(err error) {
	if o.refused == nil {
		o.refused = err
	}
	for _, w := range o.waiters {
		w.result <- o.refused
	}
	o.waiters = nil
}

// end tells the calls of Emit whose messages wait.
func (o *outbox) end(err error) {
	for _, e := range o.queue {
		if e.result != nil {
			e.result <- err
		}
	}
}

// withdraw takes a message back, unless it was sent. Its number will never come.
func (o *outbox) withdraw(c *Client, e *entry) {
	e.result = nil
	if !e.tried {
		c.remove([]*entry{e})
	}
}

func (c *Client) remove(entries []*entry) {
	o := &c.outbox
	o.queue = deleteAll(o.queue, entries)
	o.bytes = 0
	for _, e := range o.queue {
		o.bytes += len(e.message.Data)
	}
	if len(o.queue) == 0 {
		o.queue = nil
	}
}

// accept removes what the server has accepted, and reports whether there was any.
func (c *Client) accept(writer string, upTo uint64) bool {
	var accepted []*entry
	for _, e := range c.outbox.queue {
		if e.writer == writer && e.number <= upTo {
			accepted = append(accepted, e)
		}
	}
	if len(accepted) == 0 {
		return false
	}
	c.remove(accepted)
	for _, e := range accepted {
		if e.result != nil {
			e.result <- nil
		}
	}
	c.admit()
	return true
}

// takeBack removes messages, and returns an error that has those of Send.
func (c *Client) takeBack(entries []*entry, err error, id string) *ReturnedError {
	r := &ReturnedError{ID: id, Err: err}
	c.remove(entries)
	for _, e := range entries {
		if e.result != nil {
			e.result <- err
		} else {
			r.Messages = append(r.Messages, e.message)
		}
	}
	if len(r.Messages) == 0 {
		return nil
	}
	return r
}

// giveBack returns messages to the application.
func (c *Client) giveBack(entries []*entry, err error, id string) {
	if len(entries) == 0 {
		return
	}
	if r := c.takeBack(entries, err, id); r != nil {
		c.o.Logger.Warn("client: messages are returned", "messages", len(r.Messages), "err", err)
		c.inbox.push(&item{err: r})
	}
	if c.phase != PhaseClosed {
		c.admit()
	}
}

// batch returns the messages of the next body: of one writer, with numbers that follow
// one another.
func (o *outbox) batch(most, longest int) []*entry {
	size := 0
	for i, e := range o.queue {
		size += len(e.message.Data) + len(e.message.Trace)
		if first := o.queue[0]; i == most || i > 0 && size > longest ||
			e.writer != first.writer || e.number != first.number+uint64(i) || e.again != first.again {
			return o.queue[:i:i]
		}
	}
	return o.queue[:len(o.queue):len(o.queue)]
}

// An answer is that of the server to a body.
type answer struct {
	Status   int      `json:"status"` // of an answer to a frame
	Accepted *uint64  `json:"accepted"`
	Failed   []uint64 `json:"failed"`
	Detail   string   `json:"detail"`
	Expected uint64   `json:"expected"`
	Retry    int64    `json:"retry"` // milliseconds
}

func parseAnswer(data []byte) (*answer, error) {
	a := new(answer)
	if err := json.Unmarshal(data, a); err != nil || a.Accepted == nil {
		return nil, fmt.Errorf("client: the server's answer is malformed")
	}
	return a, nil
}

// deleteAll removes the values that gone has.
func deleteAll[T comparable](list []T, gone []T) []T {
	set := make(map[T]bool, len(gone))
	for _, v := range gone {
		set[v] = true
	}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool { return set[v] })
}
