package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

const (
	ackAfter      = 16 // messages
	answerTimeout = 15 * time.Second
	mostMessages  = 100      // in a body
	longestBody   = 16 << 10 // bytes of data in a body, unless one message is longer
	longestLast   = 60 << 10 // the same in the last request
)

// sender is the way up: one POST, or one WebSocket frame with messages, at a time. It
// belongs to the owner.
type sender struct {
	upload  *upload // under way
	pause   alarm   // after a failure
	tries   int     // requests in a row that failed
	most    int     // messages in the next body
	unacked int     // positions that moved and are not acknowledged
	due     bool    // an acknowledgement is to be sent, even without messages
	ack     alarm
}

// An upload is one body on its way.
type upload struct {
	link    *link
	batch   []*entry
	writer  string
	ack     string
	asked   *asked // joins and leaves, or nil
	body    []byte
	timeout alarm
	cancel  context.CancelFunc
}

// pump sends what waits.
func (c *Client) pump() {
	s, l := &c.sender, c.live
	if s.upload != nil || s.pause.isSet() || l == nil || l.name == WebSocket && l.socket == nil {
		return
	}
	if !s.due && len(c.outbox.queue) == 0 && !c.hasRequests() {
		return
	}

	// Requests to join and leave go without messages, so that a refusal has one cause.
	most, requests := s.most, c.takeRequests(l)
	if requests != nil {
		most = 0
	}
	u := c.nextUpload(l, most, longestBody, requests)
	s.upload = u
	ctx, cancel := context.WithCancel(l.ctx)
	u.cancel = cancel
	u.timeout.set(c, answerTimeout, func() {
		c.answered(u, nil, errNoAnswer)
		cancel()
	})

	kept, to := c.record(), c.address.to(nil)
	socket, token := l.socket, l.token
	c.work.Go(func() {
		defer cancel()
		c.keep(kept)
		if socket == nil {
			a, err := c.postBody(ctx, to, token, u.body)
			c.post(func() { c.answered(u, a, err) })
			return
		}
		// The context is the link's: the library closes a connection when that of a write
		// ends.
		err := writeFrame(l.ctx, socket, u.body)
		if err != nil || len(u.batch) == 0 { // the server answers such a frame only to refuse it
			c.post(func() { c.answered(u, nil, err) })
		}
	})
}

// nextUpload builds the next body. It also acknowledges.
func (c *Client) nextUpload(l *link, most, longest int, requests *asked) *upload {
	batch := c.outbox.batch(most, longest)
	u := &upload{link: l, batch: batch, writer: c.address.cid, ack: c.acknowledgement(), asked: requests}
	up := frame.Up{Writer: u.writer, Base: c.outbox.count + 1, Ack: u.ack}
	if len(c.outbox.queue) > 0 {
		first := c.outbox.queue[0]
		u.writer = first.writer
		up.Writer, up.Base, up.Again = first.writer, first.number, first.again
	}
	u.body = u.appendBody(up)
	c.sender.due, c.sender.unacked = false, 0
	c.sender.ack.stop()
	return u
}

func (u *upload) appendBody(up frame.Up) []byte {
	body := frame.AppendUp(nil, up)
	if u.asked != nil {
		body = append(body, u.asked.blocks...)
	}
	for _, e := range u.batch {
		e.tried = true
		m := store.Message{Event: e.message.Event, Data: e.message.Data, Binary: e.message.Binary}
		body = frame.AppendTrace(body, e.message.Trace)
		body = frame.AppendUpstream(body, e.number, &m)
	}
	return body
}

// postBody sends a body by a POST. A redirect with 301 or 302 turns that into a GET
// without a body, which the server answers with a stream: the next attempt goes to the
// new path.
func (c *Client) postBody(ctx context.Context, to *url.URL, token string, body []byte) (*answer, error) {
	resp, err := c.request(ctx, http.MethodPost, to, token, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if isType(resp.Header, eventStream) {
		c.post(func() { c.address.adopt(resp.Request.URL) })
		return nil, &Error{Detail: "the POST was redirected"}
	}

	text, err := io.ReadAll(io.LimitReader(resp.Body, largestReply))
	if err != nil {
		return nil, err
	}
	a, err := parseAnswer(text)
	if err != nil {
		return nil, notMirage(resp)
	}
	c.post(func() { c.address.adopt(resp.Request.URL) })
	return a, nil
}

// takeAck takes mirage-ack: a heartbeat, or the answer to a frame.
func (c *Client) takeAck(l *link, e *event) error {
	a, err := parseAnswer(e.Data)
	if err != nil {
		return err
	}
	u := c.sender.upload
	switch {
	case a.Status == 0:
		// While a body is under way, its answer says more.
		if u == nil || len(u.batch) == 0 {
			c.accept(c.address.cid, *a.Accepted)
		}
	case u != nil && u.link == l && a.Status == http.StatusOK:
		c.answered(u, a, nil)
	case u != nil && u.link == l:
		c.answered(u, nil, a.refusal())
	case a.Status != http.StatusOK: // a frame that had no messages
		c.refusedFrame(l, a.refusal())
	}
	return nil
}

func (a *answer) refusal() *Error {
	return &Error{
		Status: a.Status, Detail: shorten(a.Detail), expected: a.Expected,
		RetryAfter: min(time.Duration(max(0, a.Retry))*time.Millisecond, longestDelay),
	}
}

// refusedFrame handles the refusal of an acknowledgement, or of joins, which ends its
// wait.
func (c *Client) refusedFrame(l *link, err *Error) {
	switch {
	case err.isFinal() && !err.isUnfit():
		c.finish(err)
	case err.Status == http.StatusUnauthorized:
		l.cancel(err)
	case err.isUnfit():
		c.refuseOwed(err)
	}
}

// answered notes how an upload ended.
func (c *Client) answered(u *upload, a *answer, err error) {
	s := &c.sender
	if s.upload != u {
		return
	}
	s.upload = nil
	u.timeout.stop()

	if err == nil && a != nil {
		err = c.succeed(u, a)
	} else if err == nil {
		c.noteAcked(u.ack)
	}
	if err != nil {
		c.recover(u, err)
	}
	c.pump()
}

// succeed takes the answer to an upload.
func (c *Client) succeed(u *upload, a *answer) error {
	c.noteAcked(u.ack)
	var failed []*entry
	for _, e := range u.batch {
		if slices.Contains(a.Failed, e.number) && slices.Contains(c.outbox.queue, e) {
			failed = append(failed, e)
		}
	}
	c.giveBack(failed, &Error{Status: 500, Detail: "the handler failed"}, c.id)
	if !c.accept(u.writer, *a.Accepted) && len(u.batch) > 0 && slices.Contains(c.outbox.queue, u.batch[0]) {
		return &Error{Detail: "the server has not accepted the message"}
	}
	c.sender.most = min(c.sender.most+1, mostMessages)
	c.settle()
	return nil
}

// settle notes that the server has answered.
func (c *Client) settle() {
	if c.sender.tries > 1 && c.phase == PhaseOpen {
		c.move(PhaseOpen, nil, 0)
	}
	c.sender.tries = 0
}

// recover handles an upload that failed.
func (c *Client) recover(u *upload, cause error) {
	s := &c.sender
	err := asError(cause)
	if len(u.batch) == 0 {
		s.due = true
	}
	if u.asked != nil && err.isUnfit() {
		c.refuseAll(u.asked, err)
		c.settle()
		return
	}
	if u.asked != nil && u.link == c.live {
		c.askAgain(u.asked)
	}
	if err.isUnfit() && len(u.batch) > 0 { // one of the messages is the reason: the others are sent without it
		s.most = (len(u.batch) + 1) / 2
		if len(u.batch) == 1 {
			c.giveBack(u.batch, err, c.id)
		}
		c.settle()
		return
	}
	if err.isFinal() && !err.Gateway {
		c.finish(err)
		return
	}
	if c.live == nil || c.live != u.link || err.expected > 0 && c.accept(u.writer, err.expected-1) {
		return
	}
	if err.Status == http.StatusUnauthorized && !err.Gateway || cause == errNoAnswer {
		c.live.cancel(err) // it does not work any more
		return
	}

	s.tries++
	delay := delayBefore(s.tries, err, c.o.MaxDelay)
	if s.tries > 1 {
		c.o.Logger.Warn("client: cannot send", "attempt", s.tries, "err", err, "retry", delay)
		c.move(PhaseOpen, err, 0)
	}
	s.pause.set(c, delay, c.pump)
}

// abort gives up the upload that is under way: its link has ended, or is not the live
// one.
func (s *sender) abort(c *Client) {
	if u := s.upload; u != nil {
		u.cancel()
		c.answered(u, nil, errReplaced)
	}
}

// stop ends everything under way.
func (s *sender) stop() {
	if u := s.upload; u != nil {
		s.upload = nil
		u.timeout.stop()
		u.cancel()
	}
	s.pause.stop()
	s.ack.stop()
}

// resume ends the pause after a failure.
func (s *sender) resume() { s.pause.stop() }

// farewell sends what waits, in the background, and ends the link at the server.
func (c *Client) farewell(l *link) {
	say := c.lastWords(l, false)
	c.work.Go(func() { say(c.ctx) })
}

// lastWords returns the function that does it. With comesBack the session stays a member
// of its topics for a while. What is not sent or accepted stays in the queue, and the
// server recognizes it when it comes again.
func (c *Client) lastWords(l *link, comesBack bool) func(context.Context) {
	u := c.nextUpload(l, mostMessages, longestLast, nil)
	up := frame.Up{Writer: u.writer, Base: c.outbox.count + 1, Ack: u.ack, Leaving: true, Reload: comesBack}
	if len(c.outbox.queue) > 0 {
		first := c.outbox.queue[0]
		up.Base, up.Again = first.number, first.again
	}
	body, kept, to, token := u.appendBody(up), c.record(), c.address.to(nil), l.token
	return func(ctx context.Context) {
		c.keep(kept)
		c.sayGoodbye(ctx, http.MethodPost, to, token, body)
	}
}
