package client

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
)

const (
	helloTimeout  = 10 * time.Second // until a link has its hello
	secondSign    = 3 * time.Second  // until a link brings something beside its hello
	pollTimeout   = 35 * time.Second // until a poll has been answered
	silenceMargin = 5 * time.Second
	chunkSize     = 4 << 10 // bytes that are read at once
)

// A link is one connection of the client:
//
//	opening ──hello──▶ greeted ──▶ over
//	   └────────────────────────────▲
//
// Its goroutine reads what comes. Everything else belongs to the owner.
type link struct {
	name   string // its transport
	ctx    context.Context
	cancel context.CancelCauseFunc

	token   string        // of its hello; "" while it is opening
	from    string        // the positions that it presented
	beat    time.Duration // the longest silence of the server; 0 means no bound
	born    time.Time     // when its hello came
	heard   time.Time     // when something came last
	news    bool          // something new has come
	spoke   bool          // something has come after hello, so nothing holds it back
	late    bool          // it was ended because of silence
	drained bool          // the server ends it, and says when to come back
	drain   time.Duration
	silence alarm

	socket        *websocket.Conn // if it is a WebSocket that has been opened
	whenDelivered func()          // if it waits before the next poll
}

// open starts a link.
func (c *Client) open(name string) *link {
	l := &link{name: name, from: c.positions()}
	l.ctx, l.cancel = context.WithCancelCause(c.ctx)
	c.links[l] = true
	c.watch(l, helloTimeout)

	carry, first := c.carryStream, ""
	switch name {
	case WebSocket:
		carry = c.carrySocket
	case Poll:
		carry, first = c.carryPolls, pollWait
	}
	to, kept := c.address.place(l.from, first), c.record()
	c.work.Go(func() {
		c.keep(kept)
		err := carry(l, to)
		if !c.post(func() {
			if ended := context.Cause(l.ctx); ended != nil { // perhaps because of the last block
				err = ended
			}
			c.over(l, asError(err))
		}) {
			l.cancel(errEnded)
		}
	})
	return l
}

// watch ends the link unless something comes within d. With 0 it may be silent.
func (c *Client) watch(l *link, d time.Duration) {
	l.heard = time.Now()
	if d <= 0 {
		l.silence.stop()
		return
	}
	c.watchUntil(l, d, d)
}

// watchUntil looks in a while whether the link has been silent for d. What comes in the
// meantime is noted in heard, which is cheaper than a new alarm.
func (c *Client) watchUntil(l *link, d, in time.Duration) {
	l.silence.set(c, in, func() {
		if left := d - time.Since(l.heard); left > 0 {
			c.watchUntil(l, d, left)
			return
		}
		l.late = true
		l.cancel(errSilence)
	})
}

// end ends a link. It may be called again.
func (l *link) end(err error) {
	l.silence.stop()
	l.cancel(err)
}

// noteSpoke notes that a block has come. The first one after hello, perhaps together with
// it, is the sign that nothing holds the stream back.
func (c *Client) noteSpoke(l *link) {
	if l.token != "" && !l.spoke && l.name != Poll {
		l.spoke = true
		if l.beat > 0 {
			c.watch(l, 2*l.beat+silenceMargin)
		}
	}
}

// A feeder parses what a link brings, and passes whole blocks to the owner.
type feeder struct {
	c      *Client
	l      *link
	parser *frame.Parser
}

func (c *Client) newFeeder(l *link) *feeder {
	p := frame.NewParser(c.o.MaxMessage)
	p.ReturnMoves()
	return &feeder{c, l, p}
}

// feed takes the next bytes. It returns when the owner has begun to process them, or with
// the error that ends the link.
func (f *feeder) feed(text []byte) error {
	f.parser.Feed(text)
	var blocks []frame.Event
	for {
		e, ok, err := f.parser.Next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if e.Data != nil {
			e.Data = append([]byte{}, e.Data...)
		}
		blocks = append(blocks, e)
	}

	if !f.c.post(func() { f.c.takeAll(f.l, blocks) }) {
		return ErrClosed
	}
	return nil
}
