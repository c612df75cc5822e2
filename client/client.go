package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Client is one reader of a session, on one link after another. Its methods may be
// called concurrently. Create it with Dial and end it with Close.
type Client struct {
	o     Options
	http  *http.Client
	free  func() // releases what http alone uses
	state atomic.Pointer[State]

	calls  chan func()
	done   chan struct{}   // closed when the owner has ended
	ctx    context.Context // ends with the client
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // goroutines of links and requests
	saver  saver
	teller teller

	// The rest belongs to the owner.

	phase    Phase
	id       string // the visitor's id: of the last hello, or of an earlier client
	address  address
	leaving  bool // Close has asked the server to end the session
	released bool // Close has ended it
	err      error

	links    map[*link]bool // that have not ended
	live     *link          // the one that counts: it brought the last hello
	failures int            // attempts in a row without a hello
	strikes  int            // links in a row that ended young
	renewing bool           // another link is to replace the live one
	retry    alarm
	race     race

	inbox    inbox
	came     string // up to where everything came
	position string // up to where everything was delivered
	resets   int    // how often no message led to the position
	repeats  repeats

	outbox outbox
	sender sender
	topics map[string]*topic
	leaves map[string]bool // topics that the server is to be told of
	opened []chan error    // calls that wait for a link

	saving  alarm
	places  map[string]string // components of topics, of an earlier client
	unclear bool              // that client may have crashed
}

// Dial connects to the live URL of a server, and returns when it has its first hello. If
// the server cannot be reached, it tries again until ctx ends. It returns an *Error at
// once if the server refuses this client. The client does not depend on ctx later.
func Dial(ctx context.Context, liveURL string, o Options) (*Client, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	base, err := parseURL(liveURL)
	if err != nil {
		return nil, err
	}

	c := newClient(base, o)
	if err := c.load(ctx); err != nil {
		return nil, err
	}

	go c.run()
	if err := c.Connect(ctx); err != nil {
		if state := c.State(); state.Phase == PhaseWaiting && state.Err != nil {
			err = fmt.Errorf("%w: %w", err, state.Err)
		}
		_ = c.shutdown() // nothing was sent
		return nil, err
	}
	return c, nil
}

// newClient returns a client whose owner does not run yet.
func newClient(base *url.URL, o Options) *Client {
	c := &Client{
		o:       o,
		calls:   make(chan func()),
		done:    make(chan struct{}),
		links:   map[*link]bool{},
		topics:  map[string]*topic{},
		leaves:  map[string]bool{},
		address: address{base: base, cid: newName(), askSigned: o.AskSigned, signed: o.Signed},
	}
	c.http, c.free = o.client()
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.inbox.c = c
	c.race.bad, c.race.worked = map[string]time.Time{}, map[string]bool{}
	c.sender.most = mostMessages
	c.state.Store(&State{})
	return c
}

// Connect ends what Disconnect has begun, and returns when there is a link. If ctx ends
// before that, it returns an error, and the client goes on trying.
func (c *Client) Connect(ctx context.Context) error {
	opened := make(chan error, 1)
	err := c.ask(ctx, func() {
		switch {
		case c.phase == PhaseClosed:
			opened <- c.ended()
		case c.live != nil:
			opened <- nil
		default:
			c.opened = append(c.opened, opened)
			if c.phase == PhaseIdle {
				c.connect()
			}
		}
	})
	if err != nil {
		return err
	}
	select {
	case err := <-opened:
		return err
	case <-ctx.Done():
		c.post(func() { c.opened = slices.DeleteFunc(c.opened, func(o chan error) bool { return o == opened }) })
		return context.Cause(ctx)
	case <-c.done:
		return ErrClosed
	}
}

// tellOpened tells calls of Connect how they ended.
func (c *Client) tellOpened(err error) {
	for _, opened := range c.opened {
		opened <- err
	}
	c.opened = nil
}

// Disconnect ends the link and keeps the session. Messages of Send wait. Connect
// continues where the client was.
func (c *Client) Disconnect() {
	c.post(func() {
		if c.phase == PhaseClosed {
			return
		}
		if l := c.live; l != nil && (len(c.outbox.queue) > 0 || c.sender.unacked > 0 || l.name == Poll) {
			c.farewell(l)
		}
		c.drop()
		c.move(PhaseIdle, nil, 0)
	})
}

// Use moves to a transport without a break, and prefers it from then on. It returns when
// the transport is in use, or an error if that is not possible. Then everything stays as
// it was. The name "" lets the client choose again.
func (c *Client) Use(ctx context.Context, transport string) error {
	if transport != "" && !slices.Contains(c.o.Transports, transport) {
		return fmt.Errorf("client: %.20q is not in Options.Transports", transport)
	}
	result := make(chan error, 1)
	if err := c.ask(ctx, func() { c.prefer(transport, result) }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.done:
		return ErrClosed
	}
}

// Messages returns the messages of the session, and those of topics that the server has
// let the session join and for which there is no Room. It waits for the next one until
// ctx ends, which is an error.
//
// A message counts as delivered when the loop asks for the next one, or when Message.Ack
// was called. Only then is it acknowledged to the server. If you leave the loop before
// that, the message comes again in the next loop.
//
// An error is one of these:
//
//   - A *LostError says that messages are lost, a *ReturnedError that messages of Send
//     were not handled. The loop goes on if you ask for the next message.
//   - Any other error is the last. It is an *Error if the server has ended the session,
//     that of ctx, or says that another loop is running.
//
// The loop ends without an error after Close. Everything that waits for a loop is
// bounded: see Options.MaxWaiting. A client without a loop gets nothing of its session.
func (c *Client) Messages(ctx context.Context) iter.Seq2[Message, error] { return c.inbox.all(ctx) }

// ID returns the mirage id of the visitor, as the server said last.
func (c *Client) ID() string { return c.State().ID }

// Signed returns the signed id of the visitor, if Options.AskSigned is set.
func (c *Client) Signed() string {
	signed := make(chan string, 1)
	if !c.post(func() { signed <- c.address.signed }) {
		return ""
	}
	return <-signed
}

// Close sends what waits until ctx ends, unless Disconnect was called, and ends the
// client. Without Options.Persist the server also forgets the reader, and the session
// with its last reader. If messages of Send were not accepted, it returns a
// *ReturnedError that has them, or leaves them to Persist. A second call returns nil.
func (c *Client) Close(ctx context.Context) error {
	empty := make(chan struct{})
	if err := c.ask(context.WithoutCancel(ctx), func() { c.whenEmpty(empty) }); err != nil {
		return nil
	}
	select {
	case <-empty:
	case <-ctx.Done():
	case <-c.done:
		return nil
	}

	goodbye := make(chan func(context.Context), 1)
	if !c.post(func() { goodbye <- c.goodbye() }) {
		return nil
	}
	(<-goodbye)(ctx)
	return c.shutdown()
}

// shutdown ends the client and waits for its goroutines.
func (c *Client) shutdown() error {
	result := make(chan error, 1)
	c.post(func() {
		result <- c.finish(nil)
		c.released = true
	})
	<-c.done
	c.cancel(ErrClosed)
	c.work.Wait()
	c.free()
	select {
	case err := <-result:
		return err
	default: // another call of Close was first
		return nil
	}
}

// finish ends the client for good: err says why, and is nil after Close. It returns a
// *ReturnedError with the messages that nobody else gets.
func (c *Client) finish(err error) error {
	if c.phase == PhaseClosed || c.leaving && err != nil { // Close has ended the session itself
		return nil
	}
	kept := c.lastRecord(err)
	c.drop()
	c.err = err
	c.move(PhaseClosed, err, 0)
	reason := c.ended()
	c.tellOpened(reason)
	c.outbox.refuse(reason)

	var returned error
	c.work.Go(func() { c.keep(kept) })
	switch {
	case err == nil && c.o.Persist != nil:
		c.outbox.end(reason)
	case err == nil:
		if r := c.takeBack(c.outbox.queue, reason, c.id); r != nil {
			returned = r
		}
	default:
		c.giveBack(c.outbox.queue, reason, c.id)
	}
	for _, t := range c.topics {
		c.endRoom(t, err)
	}
	c.inbox.end(err)
	return returned
}

// ended returns the error for calls after the end.
func (c *Client) ended() error {
	if c.err != nil {
		return c.err
	}
	return ErrClosed
}

// drop ends all links, and no other follows.
func (c *Client) drop() {
	for l := range c.links {
		l.end(errDropped)
	}
	c.retry.stop()
	c.race.cancel(errDropped)
	c.race.probe.stop()
	c.sender.stop()
	for _, t := range c.topics {
		t.timer.stop()
	}
	c.live = nil
}

// goodbyeTimeout bounds the last request.
const goodbyeTimeout = 5 * time.Second

// goodbye returns the function that says goodbye: with Persist the session stays for a
// while, otherwise it ends with its last reader.
func (c *Client) goodbye() func(context.Context) {
	switch {
	case c.live == nil:
		return func(context.Context) {}
	case c.o.Persist != nil:
		return c.lastWords(c.live, true)
	}
	c.leaving = true
	to, token := c.address.to(nil), c.live.token
	return func(ctx context.Context) { c.sayGoodbye(ctx, http.MethodDelete, to, token, nil) }
}

// sayGoodbye sends a request whose answer does not matter.
func (c *Client) sayGoodbye(ctx context.Context, method string, to *url.URL, token string, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	resp, err := c.request(ctx, method, to, token, body)
	if err == nil {
		_, _ = io.CopyN(io.Discard, resp.Body, largestReply)
		resp.Body.Close()
	}
}
