package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
)

// A Persist keeps the state of a client between two runs of a program: a few hundred
// bytes, and the messages that the server has not accepted. See FileStore. The calls of
// one client are made one at a time.
//
// The state has the signed id of Options.AskSigned, if that is set. With cookies, the Jar
// must be kept beside it, or the next client is another visitor.
type Persist interface {
	// Load returns what the last Save saved, or nil if there is nothing.
	Load(context.Context) ([]byte, error)
	// Save replaces what there is, in one step. An error is logged, and the client goes
	// on.
	Save(context.Context, []byte) error
}

const (
	saveAfter   = 500 * time.Millisecond // after Send
	saveTimeout = 10 * time.Second       // of one call of Save
)

// A record is what a later client needs.
type record struct {
	ID       string            `json:"id"`
	Signed   string            `json:"signed,omitempty"`
	Position string            `json:"position"`
	Topics   map[string]string `json:"topics,omitempty"` // the component of each topic
	Queue    []kept            `json:"queue,omitempty"`

	// Messages up to Again may have been delivered before Position was stored. If
	// Unclear, the client may have crashed, and the next hello says up to where.
	Again   uint64 `json:"again,omitempty"`
	Unclear bool   `json:"unclear,omitempty"`

	number uint64 // of the snapshot: an older one is not saved any more
}

// kept is an entry of the outbox.
type kept struct {
	Writer string `json:"writer"`
	Number uint64 `json:"number"`
	Event  string `json:"event,omitempty"`
	Data   []byte `json:"data"`
	Binary bool   `json:"binary,omitempty"`
	Trace  string `json:"trace,omitempty"`
	Tried  bool   `json:"tried,omitempty"`
	Again  bool   `json:"again,omitempty"`
}

// record returns the state, or nil if it is not kept. It belongs to the owner.
func (c *Client) record() *record {
	if c.o.Persist == nil {
		return nil
	}
	c.saving.stop()
	c.saver.taken++
	r := &record{
		ID: c.id, Signed: c.address.signed, Position: c.position, Topics: map[string]string{},
		Again: c.repeats.upTo, Unclear: c.live != nil || c.repeats.unknown, number: c.saver.taken,
	}
	maps.Copy(r.Topics, c.places)
	for name, t := range c.topics {
		if place := cmp.Or(t.position, t.begin); t.room != nil && place != "" {
			r.Topics[name] = place
		}
	}
	for _, e := range c.outbox.queue {
		m := e.message
		r.Queue = append(r.Queue, kept{e.writer, e.number, m.Event, m.Data, m.Binary, m.Trace, e.tried, e.again})
	}
	return r
}

// lastRecord returns the state that a client leaves. After the end of a session there is
// nothing to come back to.
func (c *Client) lastRecord(err error) *record {
	r := c.record()
	if r == nil {
		return nil
	}
	if err != nil {
		return &record{number: r.number}
	}
	r.Unclear = c.repeats.unknown
	return r
}

// saveSoon stores what Send has queued.
func (c *Client) saveSoon() {
	if c.o.Persist != nil && !c.saving.isSet() && c.phase != PhaseClosed {
		c.saving.set(c, saveAfter, func() {
			kept := c.record()
			c.work.Go(func() { c.keep(kept) })
		})
	}
}

// A saver saves snapshots in their order.
type saver struct {
	taken uint64 // belongs to the owner

	mu     sync.Mutex
	saved  uint64
	failed bool
}

// keep saves a snapshot, unless a later one was saved. Nothing that the server is told is
// ahead of what was saved.
func (c *Client) keep(r *record) {
	if r == nil {
		return
	}
	s := &c.saver
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.number <= s.saved {
		return
	}
	s.saved = r.number

	text, err := json.Marshal(r)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		err = c.o.Persist.Save(ctx, text)
	}
	if err != nil && !s.failed {
		c.o.Logger.Warn("client: cannot save the state", "err", err)
	}
	s.failed = err != nil
}

// load takes over the state of an earlier client.
func (c *Client) load(ctx context.Context) error {
	if c.o.Persist == nil {
		return nil
	}
	text, err := c.o.Persist.Load(ctx)
	if err != nil {
		return fmt.Errorf("client: cannot load the state: %w", err)
	}
	if len(text) == 0 {
		return nil
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("client: the stored state is damaged: %w", err)
	}

	c.id, c.came, c.position, c.places = r.ID, r.Position, r.Position, r.Topics
	if c.address.askSigned && c.address.signed == "" {
		c.address.signed = r.Signed
	}
	c.repeats, c.unclear = repeats{r.Unclear, r.Again}, r.Unclear
	for _, k := range r.Queue {
		m := Message{Event: k.Event, Data: k.Data, Binary: k.Binary, Trace: k.Trace}
		c.outbox.queue = append(c.outbox.queue, &entry{
			writer: k.Writer, number: k.Number, message: m, tried: k.Tried, again: k.Again,
		})
		c.outbox.bytes += len(k.Data)
	}
	return nil
}
